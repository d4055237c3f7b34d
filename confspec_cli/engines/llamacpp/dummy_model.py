"""A small model of random quantized weights, which `doctor` generates with if no model is downloaded.

Its text is nonsense, but it exercises the same native code as any other model. The file is the same each time.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

_WIDTH, _INNER, _HEADS, _LAYERS, _CONTEXT = 256, 512, 4, 2, 2048
_ALIGNMENT = 32
_F32, _Q8_0 = 0, 8
_SCALE = 0x1000  # of a block, as a half: about 0.0005, so that a weight is at most 0.06
_TEMPLATE = (
    "{% for message in messages %}{{ message.role + ': ' + message.content + '\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ 'assistant: ' }}{% endif %}"
)
_END = "<|end|>"


def write(path: Path) -> Path:
    """Write the model to a path, and return that."""
    tokens = [*_letters(), _END]
    values = [
        ("general.architecture", _text("llama")),
        ("llama.context_length", _number(_CONTEXT)),
        ("llama.embedding_length", _number(_WIDTH)),
        ("llama.feed_forward_length", _number(_INNER)),
        ("llama.block_count", _number(_LAYERS)),
        ("llama.attention.head_count", _number(_HEADS)),
        ("llama.attention.layer_norm_rms_epsilon", struct.pack("<If", 6, 1e-5)),
        ("tokenizer.ggml.model", _text("gpt2")),
        ("tokenizer.ggml.pre", _text("gpt-2")),
        ("tokenizer.ggml.tokens", _array(8, map(_string, tokens))),
        ("tokenizer.ggml.token_type", _array(5, (struct.pack("<i", 3 if one == _END else 1) for one in tokens))),
        ("tokenizer.ggml.merges", _array(8, [_string("t h")])),
        ("tokenizer.ggml.eos_token_id", _number(len(tokens) - 1)),
        ("tokenizer.chat_template", _text(_TEMPLATE)),
    ]
    table, data = b"", b""
    tensors = list(_tensors(len(tokens)))
    for name, matrix, body in tensors:
        shape, kind = (matrix, _Q8_0) if matrix else ((_WIDTH,), _F32)
        table += _string(name) + struct.pack(f"<I{len(shape)}QIQ", len(shape), *shape, kind, len(data))
        data += body + bytes(-len(body) % _ALIGNMENT)
    head = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(values))
    head += b"".join(_string(key) + value for key, value in values) + table
    path.write_bytes(head + bytes(-len(head) % _ALIGNMENT) + data)
    return path


def _tensors(vocabulary: int) -> Iterator[tuple[str, tuple[int, ...], bytes]]:
    """Name, shape and bytes of each: matrices of random Q8_0 blocks, and vectors of ones, whose shape is empty here."""
    rng = random.Random(0)
    square, wide, tall = (_WIDTH, _WIDTH), (_WIDTH, _INNER), (_INNER, _WIDTH)
    parts: list[tuple[str, tuple[int, ...]]] = [("token_embd", (_WIDTH, vocabulary)), ("output_norm", ())]
    for layer in range(_LAYERS):
        shapes = {"attn_norm": (), "attn_q": square, "attn_k": square, "attn_v": square, "attn_output": square}
        shapes |= {"ffn_norm": (), "ffn_gate": wide, "ffn_up": wide, "ffn_down": tall}
        parts += [(f"blk.{layer}.{name}", shape) for name, shape in shapes.items()]
    for name, shape in parts:
        if shape:
            blocks = shape[0] * shape[1] // 32
            body = b"".join(struct.pack("<H", _SCALE) + rng.randbytes(32) for _ in range(blocks))
        else:
            body = struct.pack(f"<{_WIDTH}f", *[1.0] * _WIDTH)
        yield f"{name}.weight", shape, body


def _letters() -> list[str]:
    """The letter that byte-level vocabularies have for each byte."""
    shown = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
    hidden = iter(range(256, 512))
    return [chr(byte if byte in shown else next(hidden)) for byte in range(256)]


def _string(text: str) -> bytes:
    return struct.pack("<Q", len(text.encode())) + text.encode()


def _text(text: str) -> bytes:
    return struct.pack("<I", 8) + _string(text)


def _number(number: int) -> bytes:
    return struct.pack("<II", 4, number)


def _array(kind: int, items: Iterable[bytes]) -> bytes:
    found = list(items)
    return struct.pack("<IIQ", 9, kind, len(found)) + b"".join(found)
