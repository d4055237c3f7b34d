"""What llama.cpp can compute on here: its devices and their memory, and how it was built.

Asks ggml itself, whose functions the Python package does not carry; where they cannot be found there are no devices.
"""

from __future__ import annotations

import ctypes
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.engines.llamacpp.native import lib


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


def _device(handle: int, base: ctypes.CDLL) -> Device:
    free, total = ctypes.c_size_t(), ctypes.c_size_t()
    base.ggml_backend_dev_memory(handle, ctypes.byref(free), ctypes.byref(total))
    words = (base.ggml_backend_dev_name(handle), base.ggml_backend_dev_description(handle))
    name, description = (word.decode("utf-8", "replace") for word in words)
    return Device(name, description, free.value, total.value)


def _functions() -> tuple[ctypes.CDLL, ctypes.CDLL] | None:
    """ggml's registry of devices, and what is known of one, in the libraries beside llama.cpp's."""
    folder = Path(lib.__file__).parent / "lib"
    found = {path.name.split(".")[0].removeprefix("lib"): path for path in sorted(folder.glob("*ggml*"), reverse=True)}
    try:
        registry, base = (ctypes.CDLL(str(found[name])) for name in ("ggml", "ggml-base"))
        registry.ggml_backend_dev_count.restype = ctypes.c_size_t
        registry.ggml_backend_dev_get.restype = ctypes.c_void_p
        registry.ggml_backend_dev_get.argtypes = [ctypes.c_size_t]
        for function in (base.ggml_backend_dev_name, base.ggml_backend_dev_description):
            function.restype, function.argtypes = ctypes.c_char_p, [ctypes.c_void_p]
        memory = base.ggml_backend_dev_memory
        memory.restype, memory.argtypes = None, [ctypes.c_void_p, *[ctypes.POINTER(ctypes.c_size_t)] * 2]
    except (KeyError, OSError, AttributeError):
        return None
    return registry, base
