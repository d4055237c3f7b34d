"""What llama.cpp can compute on here: its devices and their memory, its build, and which weights it repacks.

Asks ggml, whose functions the Python package does not wrap; where they cannot be found, there are no devices.
"""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from types import SimpleNamespace

from confspec_cli.engines.llamacpp.native import has_amx, lib
from confspec_cli.engines.llamacpp.repacking import Repacking

_POINTER, _TEXT, _SIZE = ctypes.c_void_p, ctypes.c_char_p, ctypes.c_size_t
_FUNCTIONS = {  # what each returns, and what it takes
    "dev_count": (_SIZE,),
    "dev_get": (_POINTER, _SIZE),
    "dev_name": (_TEXT, _POINTER),
    "dev_description": (_TEXT, _POINTER),
    "dev_host_buffer_type": (_POINTER, _POINTER),
    "dev_memory": (None, _POINTER, ctypes.POINTER(_SIZE), ctypes.POINTER(_SIZE)),
    "reg_count": (_SIZE,),
    "reg_get": (_POINTER, _SIZE),
    "reg_name": (_TEXT, _POINTER),
    "reg_by_name": (_POINTER, _TEXT),
    "reg_dev_get": (_POINTER, _POINTER, _SIZE),
    "reg_get_proc_address": (_POINTER, _POINTER, _TEXT),
    "buft_name": (_TEXT, _POINTER),
}


@dataclass(frozen=True, slots=True)
class Device:
    """One device, as ggml names it; memory in bytes."""

    name: str
    description: str
    free: int
    total: int


def devices() -> list[Device]:
    """The devices of this build on this machine, processors among them."""
    ggml = _ggml()
    return [_device(ggml, ggml.dev_get(n)) for n in range(ggml.dev_count())] if ggml else []


def can_offload() -> bool:
    """Whether this build can put layers on a GPU."""
    return bool(lib.llama_supports_gpu_offload())


def backends() -> list[str]:
    """What this build can compute with, in ggml's names, as in "CUDA" and "CPU", whether it is there or not."""
    ggml = _ggml()
    return [ggml.reg_name(ggml.reg_get(n)).decode() for n in range(ggml.reg_count())] if ggml else []


def features() -> list[str]:
    """What this build uses of the processor, as in "AVX2"."""
    return features_in(lib.llama_print_system_info().decode("utf-8", "replace"))


def features_in(told: str) -> list[str]:
    """The features of the processor in llama.cpp's line, `CUDA : NO_VMM = 1 | CPU : SSE3 = 1 | AVX2 = 1 | `."""
    found, backend = [], ""
    for part in told.split("|"):
        begun, _, setting = part.rpartition(" : ")
        backend = begun.strip() or backend
        name, _, value = setting.partition("=")
        if backend == "CPU" and value.strip() == "1":
            found.append(name.strip())
    return found


def repacking() -> Repacking:
    """Which weights are repacked for this processor; with AMX by name, as its kernels would take all others too.

    None where a GPU can read their memory: llama.cpp has it compute long batches, of the weights as they are.
    """
    return Repacking.of([] if _gpu_reads_along() else features(), by_name=has_amx())


def _gpu_reads_along() -> bool:
    """Whether llama.cpp keeps the weights of the processor where a GPU can read them."""
    ggml = _ggml()
    return ggml is not None and any(ggml.dev_host_buffer_type(ggml.dev_get(n)) for n in range(ggml.dev_count()))


def repacked_buffer() -> int | None:
    """The type of buffer that repacks what is put into it; None where this build has none."""
    ggml = _ggml()
    processor = ggml and ggml.reg_by_name(b"CPU")
    if not ggml or not processor:
        return None
    address = ggml.reg_get_proc_address(processor, b"ggml_backend_dev_get_extra_bufts")
    if not address:
        return None
    found = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)(address)
    extra: Iterator[int | None] = iter(found(ggml.reg_dev_get(processor, 0)))
    return next(buffer for buffer in extra if not buffer or ggml.buft_name(buffer) == b"CPU_REPACK")


def _device(ggml: SimpleNamespace, handle: int) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    ggml.dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    name, description = (
        text.decode("utf-8", "replace") for text in (ggml.dev_name(handle), ggml.dev_description(handle))
    )
    return Device(name, description, free.value, total.value)


def _ggml() -> SimpleNamespace | None:
    """The functions of `ggml_backend_…` that are needed here, None where one is missing.

    They are looked up through llama.cpp's own library, which finds them in the ggml it uses. The Python package opens
    that by another name, and gets a second copy, whose registry knows nothing of devices registered in the first.
    """
    libraries = [lib._lib]
    if sys.platform == "win32":  # a library there does not pass on what the libraries it uses hold
        libraries += [ctypes.CDLL(str(path)) for path in lib._base_path.glob("ggml*.dll")]
    found = SimpleNamespace()
    for name, (result, *arguments) in _FUNCTIONS.items():
        function = next((f for library in libraries if (f := getattr(library, f"ggml_backend_{name}", None))), None)
        if function is None:
            return None
        function.restype, function.argtypes = result, arguments
        setattr(found, name, function)
    return found
