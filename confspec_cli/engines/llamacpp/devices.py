"""What llama.cpp can compute on here: its devices and their memory, how it was built, and what it repacks.

Asks ggml itself, whose functions the Python package does not carry; where they cannot be found there are no devices.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.engines.llamacpp.native import has_amx, lib
from confspec_cli.engines.llamacpp.repacking import Repacking


@dataclass(frozen=True, slots=True)
class Device:
    """One device, as ggml names it; memory in bytes."""

    name: str
    description: str
    free: int
    total: int


def devices() -> list[Device]:
    """The devices of this build on this machine, processors among them."""
    functions = _functions()
    if functions is None:
        return []
    registry, base = functions
    return [_device(registry.ggml_backend_dev_get(n), base) for n in range(registry.ggml_backend_dev_count())]


def can_offload() -> bool:
    """Whether this build can put layers on a GPU."""
    return bool(lib.llama_supports_gpu_offload())


def features() -> list[str]:
    """What this build uses of the processor, as in "AVX2"."""
    told = lib.llama_print_system_info().decode("utf-8", "replace").partition(":")[2]
    return [name.strip() for name, _, value in (one.partition("=") for one in told.split("|")) if value.strip() == "1"]


def repacking() -> Repacking:
    """Which weights are repacked for this processor; with AMX by name, as its kernels would take all others too."""
    return Repacking.of(features(), by_name=has_amx())


def repacked_buffer() -> int | None:
    """The type of buffer that repacks what is put into it; None where this build has none."""
    functions = _functions()
    if functions is None:
        return None
    registry, base = functions
    processor = registry.ggml_backend_reg_by_name(b"CPU")
    address = processor and base.ggml_backend_reg_get_proc_address(processor, b"ggml_backend_dev_get_extra_bufts")
    if not address:
        return None
    found = ctypes.CFUNCTYPE(ctypes.POINTER(ctypes.c_void_p), ctypes.c_void_p)(address)
    extra: Iterator[int | None] = iter(found(base.ggml_backend_reg_dev_get(processor, 0)))
    return next(buffer for buffer in extra if not buffer or base.ggml_backend_buft_name(buffer) == b"CPU_REPACK")


def _device(handle: int, base: ctypes.CDLL) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    base.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    words = (base.ggml_backend_dev_name(handle), base.ggml_backend_dev_description(handle))
    name, description = (word.decode("utf-8", "replace") for word in words)
    return Device(name, description, free.value, total.value)


def _functions() -> tuple[ctypes.CDLL, ctypes.CDLL] | None:
    """ggml's registry of devices, and what is known of one, in the libraries beside llama.cpp's."""
    folder: Path = lib._base_path  # the libraries in use, and no second copy of them
    found = {path.name.split(".")[0].removeprefix("lib"): path for path in sorted(folder.glob("*ggml*"), reverse=True)}
    try:
        registry, base = (ctypes.CDLL(str(found[name])) for name in ("ggml", "ggml-base"))
        pointer, text = ctypes.c_void_p, ctypes.c_char_p
        for library, name, result, arguments in (
            (registry, "dev_count", ctypes.c_size_t, ()),
            (registry, "dev_get", pointer, (ctypes.c_size_t,)),
            (registry, "reg_by_name", pointer, (text,)),
            (base, "reg_dev_get", pointer, (pointer, ctypes.c_size_t)),
            (base, "reg_get_proc_address", pointer, (pointer, text)),
            (base, "dev_name", text, (pointer,)),
            (base, "dev_description", text, (pointer,)),
            (base, "dev_memory", None, (pointer, *[ctypes.POINTER(ctypes.c_size_t)] * 2)),
            (base, "buft_name", text, (pointer,)),
        ):
            function = getattr(library, f"ggml_backend_{name}")
            function.restype, function.argtypes = result, arguments
    except (KeyError, OSError, AttributeError):
        return None
    return registry, base
