"""Loads a GGUF file into llama.cpp and makes a context for it, or says in one sentence why it cannot."""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp.cache import MAX_BATCH, MAX_OUTPUTS, SEQUENCES, can_roll_back
from confspec_cli.engines.llamacpp.devices import repacked_buffer, repacking
from confspec_cli.engines.llamacpp.native import Worker, lib, log, physical_cores
from confspec_cli.errors import EngineError, Interrupted, OutOfMemoryError, UsageError
from confspec_cli.models import gguf

DEFAULT_CONTEXT = 8192
_LEAST_CONTEXT = 256  # llama.cpp rounds up to a multiple of it, but not the batches that go in
KV_TYPES = {"f16": lib.GGML_TYPE_F16, "q8_0": lib.GGML_TYPE_Q8_0, "q4_0": lib.GGML_TYPE_Q4_0}

_MOST_THREADS = 512  # GGML_MAX_N_THREADS: more abort it

Progress = Callable[[float], None]
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Hardware:
    """How a model is run. None means the default: all layers on the GPU if the build can offload, every physical core.

    `context` is in tokens (default: the context the model was trained for, at most 8192).
    """

    context: int | None = None
    gpu_layers: int | None = None
    threads: int | None = None
    kv_type: str = "f16"


def load_model(path: Path, hardware: Hardware, interrupt: Interrupt, progress: Progress) -> object:
    """Load the weights. `progress` is called with 0..1, from another thread.

    Raises EngineError if the file is not a usable GGUF, OutOfMemoryError if it does not fit.
    """
    header = gguf.read(path)
    gguf.check(header)

    def report(fraction: float, _: object) -> bool:
        progress(fraction)
        return not interrupt.is_set()

    lib.llama_backend_init()
    parameters = lib.llama_model_default_params()
    parameters.n_gpu_layers = gpu_layers(hardware)
    repacked = repacking()
    if repacked.by_name:
        parameters.use_extra_bufts = False
    patterns = [] if parameters.n_gpu_layers else repacked.patterns(header.tensors)
    overrides = _overrides(patterns)
    parameters.tensor_buft_overrides = ctypes.cast(overrides, ctypes.c_void_p)
    callback = lib.llama_progress_callback(report)
    parameters.progress_callback = callback
    log.complaints.clear()
    model = _patiently(lambda: lib.llama_model_load_from_file(str(path).encode(), parameters), interrupt)
    if interrupt.is_set():
        if model:
            lib.llama_model_free(model)
        raise Interrupted("Stopped while loading.")
    if not model:
        raise _refusal(path, "cannot be loaded")
    return model


class _Override(ctypes.Structure):
    """llama_model_tensor_buft_override, which the Python package does not carry."""

    _fields_ = [("pattern", ctypes.c_char_p), ("buffer", ctypes.c_void_p)]


def _overrides(patterns: Sequence[str]) -> ctypes.Array[_Override]:
    """The overrides that make llama.cpp repack the weights of these names; keep them alive until they are loaded."""
    buffer = repacked_buffer() if patterns else None
    named = [_Override(pattern.encode(), buffer) for pattern in patterns if buffer]
    return (_Override * (len(named) + 1))(*named)


def open_context(model: object, path: Path, hardware: Hardware, interrupt: Interrupt) -> tuple[object, bool]:
    """A context for the model, and whether it can roll back; one that cannot gets extra sequences to fork into."""

    def opened() -> tuple[object, bool]:
        context = _context(model, path, hardware, sequences=1)
        if can_roll_back(context):
            return context, True
        lib.llama_free(context)
        return _context(model, path, hardware, sequences=SEQUENCES), False

    return _patiently(opened, interrupt)


def _patiently(call: Callable[[], _T], interrupt: Interrupt) -> _T:
    """Run a slow call on a thread of its own; llama.cpp logs through callbacks that would swallow an interrupt."""
    worker = Worker(interrupt)
    try:
        return worker.run(call)
    finally:
        worker.close()


def gpu_layers(hardware: Hardware) -> int:
    """Layers to offload: the number asked for, else all (-1) if this build can offload, else none."""
    if hardware.gpu_layers is not None:
        return hardware.gpu_layers
    return -1 if lib.llama_supports_gpu_offload() else 0


def _context(model: object, path: Path, hardware: Hardware, sequences: int) -> object:
    trained = lib.llama_model_n_ctx_train(model)
    wanted = hardware.context or min(trained, DEFAULT_CONTEXT)
    if wanted > trained:
        raise UsageError(
            f"{path.name} was trained for a context of {trained} tokens, not {wanted}.", f"--context {trained}"
        )
    parameters = lib.llama_context_default_params()
    parameters.n_ctx = max(wanted, _LEAST_CONTEXT)
    parameters.n_batch = parameters.n_ubatch = MAX_BATCH
    parameters.n_outputs_max = MAX_OUTPUTS
    parameters.n_seq_max = sequences
    parameters.kv_unified = sequences > 1
    threads = hardware.threads or physical_cores()
    if not 0 < threads <= _MOST_THREADS:
        raise UsageError(
            f"llama.cpp can use 1 to {_MOST_THREADS} threads, not {threads}.", f"--threads {physical_cores()}"
        )
    parameters.n_threads = parameters.n_threads_batch = threads
    parameters.type_k = parameters.type_v = KV_TYPES[hardware.kv_type]
    parameters.swa_full = True
    on_processor = gpu_layers(hardware) == 0
    if on_processor and hardware.kv_type == "f16":
        # On a processor flash attention is several times slower at long contexts; quantized values cannot do without.
        parameters.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
    log.complaints.clear()
    context = lib.llama_init_from_model(model, parameters)
    if not context:
        raise _refusal(path, f"gets no context of {wanted} tokens")
    return context


def _refusal(path: Path, what: str) -> EngineError:
    reason = log.cause()
    if any(word in reason.lower() for word in ("alloc", "out of memory", "no memory")):
        return OutOfMemoryError(
            f"{path.name} {what}: not enough memory ({reason}).", "try a shorter one: --context 2048, or a smaller pair"
        )
    return EngineError(
        f"{path.name} {what}: {reason or 'llama.cpp gave no reason'}.",
        "confspec pull MODEL   # fetches it again and checks its hash",
    )


def metadata(model: object, key: str) -> str:
    """A metadata value of the GGUF as text, empty if there is none."""
    room = 256
    while True:
        buffer = ctypes.create_string_buffer(room)
        length = lib.llama_model_meta_val_str(model, key.encode(), buffer, room)
        if length < room:
            return buffer.value.decode("utf-8", "replace") if length > 0 else ""
        room = length + 1


def description(model: object) -> str:
    """Size and quantization in llama.cpp's words."""
    buffer = ctypes.create_string_buffer(128)
    lib.llama_model_desc(model, buffer, 128)
    return buffer.value.decode("utf-8", "replace")
