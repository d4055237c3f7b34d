"""What models take in memory, from their files' headers, and how much of them fits where.

Source: llama.cpp, src/llama-kv-cache.cpp and the buffers it reports, against which docs/memory.md holds this.
Arithmetic alone; refuses to know what is free.
"""

from __future__ import annotations

from dataclasses import dataclass

from confspec_cli.engines.llamacpp.repacking import Repacking
from confspec_cli.models.gguf import Header

BATCH, OUTPUTS = 512, 64
"""Tokens that are read at once, and rows of logits that are kept of them, as the engine has it."""
WEIGHTS = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}
"""Bytes a number of the KV cache takes."""

_PADDING = 256  # llama.cpp rounds the context up to a multiple
_AS_THEY_ARE = Repacking()


@dataclass(frozen=True, slots=True)
class MemoryEstimate:
    """Bytes one model takes: `weights` as in its file, a `repacked` copy of some on a processor, KV cache, computing.

    `layers` are how many there are, and `layer` what one of them takes with its part of the KV cache.
    """

    weights: int
    repacked: int
    kv: int
    compute: int
    layers: int
    layer: int

    @property
    def total(self) -> int:
        """All of it, on a processor."""
        return self.weights + self.repacked + self.kv + self.compute


@dataclass(frozen=True, slots=True)
class Offload:
    """How much of a model goes to a GPU: so many `layers`, all of them with what is around them where `whole`."""

    layers: int
    whole: bool
    bytes: int


def estimate_memory(
    header: Header, context: int, kv_type: str = "f16", repacking: Repacking = _AS_THEY_ARE
) -> MemoryEstimate:
    """What a model takes at a context in tokens, some of its weights twice: the processor gets them repacked."""
    cells = -(-min(context, header.number("context_length") or context) // _PADDING) * _PADDING
    weights = sum(tensor.bytes for tensor in header.tensors)
    kv = round(kv_bytes(header, cells, WEIGHTS[kv_type]))
    layers = max(header.number("block_count"), 1)
    in_layers = sum(tensor.bytes for tensor in header.tensors if tensor.name.startswith("blk."))
    return MemoryEstimate(
        weights,
        sum(tensor.bytes for tensor in header.tensors if repacking.takes(tensor)),
        kv,
        _compute(header, cells, kv_type == "f16"),
        layers,
        (in_layers + kv) // layers,
    )


def kv_bytes(header: Header, context: int, weight: float) -> float:
    """Bytes of the KV cache at a context in tokens; `weight` is bytes a number. Layers without attention take none."""
    layers = header.number("block_count")
    heads = header.number("attention.head_count")
    by_layer = header.of("attention.head_count_kv")
    each = by_layer if isinstance(by_layer, tuple) else ((by_layer if isinstance(by_layer, int) else heads),) * layers
    width = header.number("embedding_length") // heads if heads else 0
    keys = header.number("attention.key_length") or width
    values = header.number("attention.value_length") or width
    cells = -(-context // _PADDING) * _PADDING
    return cells * weight * (keys + values) * sum(int(one) for one in each[:layers])


def plan_layers(needs: list[MemoryEstimate], free: int) -> list[Offload]:
    """How the models share the free bytes of a GPU, in this order: the draft first, which has to be quick.

    Each takes its buffers there, however few of its layers: llama.cpp has the GPU compute long batches of all layers.
    """
    free -= sum(one.compute for one in needs)
    if free < 0:
        return [Offload(0, False, 0) for _ in needs]
    found = []
    for one in needs:
        is_whole = one.weights + one.kv <= free
        layers = one.layers if is_whole else min(one.layers, free // max(one.layer, 1))
        taken = one.weights + one.kv if is_whole else layers * one.layer
        found.append(Offload(layers, is_whole, one.compute + taken))
        free -= taken
    return found


def _compute(header: Header, cells: int, plain: bool) -> int:
    """Bytes of the buffer for computing, the largest of three; `plain`: attention without flash attention."""
    width, heads = header.number("embedding_length"), header.number("attention.head_count")
    inner, words = header.number("feed_forward_length"), header.lengths.get("tokenizer.ggml.tokens", 0)
    mask = BATCH * (4 if plain else 2) * cells
    attention = BATCH * 4 * (heads * cells if plain else 0) + mask + BATCH * 4 * 5.4 * width
    feeding = BATCH * 4 * (3 * inner + 3.3 * width) + mask
    logits = 4 * (OUTPUTS * words + 1.25 * BATCH * width)
    return round(max(attention, feeding, logits))
