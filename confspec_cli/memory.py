"""What a model takes in memory, from its file's header. Source: llama.cpp, src/llama-kv-cache.cpp.

Arithmetic alone; refuses to know what is free.
"""

from __future__ import annotations

from confspec_cli.gguf import Header

_PADDING = 256  # llama.cpp rounds the context up to a multiple


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
