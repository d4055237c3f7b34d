"""What a token costs models on the machine at hand: to write, and to read in steps of several lengths.

    python -m benchmarks.device_costs costs MODEL.gguf ...                # a line of JSON for each model
    python -m benchmarks.device_costs profile DRAFT.gguf TARGET.gguf      # a profile, as `bench project` takes it
    python -m benchmarks.device_costs shape LIKE.gguf OUT.gguf 64 5120 25600 64 8   # a model with random weights

What a model costs depends on its shape alone, so one with random weights (Qwen3's architecture, Q4_0) tells what a
large model would cost before anyone downloads it: layers, width, width of the feed-forward network, heads, KV heads.
Its tokenizer is that of the model LIKE. Reading a step takes in everything the engine does for it, the likelihoods of
its tokens over the whole vocabulary too.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.open_model import Hardware

_PROMPT = Prompt((Message("user", "Count to four hundred, separated by commas. " + "Do it well. " * 60),), ("1, ",))
_COUNTED = "".join(f"{number}, " for number in range(2, 400))
_STEPS = (12, 40, 180, 700)  # characters of a step; one digit is one token to most models
_ROUNDS, _WRITTEN = 4, 64
_HEAD = 128  # width of an attention head
_BLOCK = 32, 18  # weights in a block of Q4_0, and its bytes


@dataclass(frozen=True, slots=True)
class Costs:
    """What a model costs: seconds to write a token, and by tokens in a step seconds to read the step."""

    model: str
    gpu_layers: int
    write: float
    read: dict[int, float]
    prompt: tuple[int, float]

    def shown(self) -> str:
        """One line of JSON; `price` is what a token of a step costs to read, over what it costs to write."""
        tokens, seconds = self.prompt
        return json.dumps(
            {
                "model": self.model,
                "gpu_layers": self.gpu_layers,
                "tokens_per_second": round(1 / self.write, 1),
                "write": round(self.write, 6),
                "read_ms_per_token": {count: round(1e3 * took / count, 2) for count, took in self.read.items()},
                "price": {count: round(took / count / self.write, 2) for count, took in self.read.items()},
                "prompt_tokens": tokens,
                "prompt_ms_per_token": round(1e3 * seconds / tokens, 2),
            }
        )


def costs(path: Path, gpu_layers: int | None) -> Costs:
    """Measure a model: medians of a few rounds."""
    hardware = Hardware(4096, gpu_layers, None, "f16")
    with closing(LlamaCppEngine(path, hardware, Interrupt(), lambda _: None)) as engine:
        engine.read(_PROMPT)
        _write(engine, 16)
        write = statistics.median(_write(engine, _WRITTEN) for _ in range(_ROUNDS))
        read = dict(_read(engine, _COUNTED[:characters]) for characters in _STEPS)
        engine.reset()
        began = time.perf_counter()
        engine.read(_PROMPT)
        prompt = engine.count(_PROMPT), time.perf_counter() - began
        return Costs(path.name, engine.card.gpu_layers, write, read, prompt)


def _write(engine: LlamaCppEngine, count: int) -> float:
    """Seconds a token, but for the first."""
    moments = [time.perf_counter() for _ in engine.generate(_PROMPT, Sampling(), count)]
    return (moments[-1] - moments[0]) / max(len(moments) - 1, 1)


def _read(engine: LlamaCppEngine, step: str) -> tuple[int, float]:
    """Tokens of a step, and seconds to read it behind the prompt."""
    seconds = []
    for _ in range(_ROUNDS):
        engine.read(_PROMPT)
        began = time.perf_counter()
        tokens = len(engine.score(_PROMPT, step))
        seconds.append(time.perf_counter() - began)
    return tokens, statistics.median(seconds)


def write_shape(like: Path, out: Path, shape: Sequence[int]) -> None:
    """Write a model of that shape (layers, width, feed-forward width, heads, KV heads); `like` gives the tokenizer."""
    from gguf import GGMLQuantizationType, GGUFReader, GGUFValueType, GGUFWriter  # noqa: PLC0415 - for this alone

    layers, width, feedforward, heads, kv_heads = shape
    writer = GGUFWriter(str(out), "qwen3")
    vocabulary = 0
    for name, field in GGUFReader(str(like)).fields.items():
        if name.startswith("tokenizer."):
            of = field.types[-1] if field.types[0] == GGUFValueType.ARRAY else None
            writer.add_key_value(name, field.contents(), field.types[0], sub_type=of)
        if name == "tokenizer.ggml.tokens":
            vocabulary = len(field.contents())
    writer.add_context_length(32768)
    writer.add_embedding_length(width)
    writer.add_block_count(layers)
    writer.add_feed_forward_length(feedforward)
    writer.add_head_count(heads)
    writer.add_head_count_kv(kv_heads)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_layer_norm_rms_eps(1e-6)
    writer.add_rope_freq_base(1e6)
    tensors = list(_tensors(vocabulary, shape))
    weights, size = _BLOCK
    for name, (*rows, columns) in tensors:
        if rows:
            packed = rows[0], columns // weights * size
            kind = np.dtype(np.uint8)
            writer.add_tensor_info(name, packed, kind, packed[0] * packed[1], raw_dtype=GGMLQuantizationType.Q4_0)
        else:
            writer.add_tensor_info(name, (columns,), np.dtype(np.float32), columns * 4)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_ti_data_to_file()
    blocks = np.random.default_rng(0).integers(0, 256, (1 << 20, size), dtype=np.uint8)
    blocks[:, :2] = np.frombuffer(np.float16(0.002).tobytes(), np.uint8)  # the scale of each block
    for _, (*rows, columns) in tensors:
        writer.write_tensor_data(
            np.resize(blocks, (rows[0], columns // weights * size)) if rows else np.ones(columns, np.float32)
        )
    writer.close()


def _tensors(vocabulary: int, shape: Sequence[int]) -> Iterator[tuple[str, tuple[int, ...]]]:
    """Names and shapes: (rows, columns) of weights, (columns,) of norms."""
    layers, width, feedforward, heads, kv_heads = shape
    queries, keys = heads * _HEAD, kv_heads * _HEAD
    yield "token_embd.weight", (vocabulary, width)
    yield "output_norm.weight", (width,)
    yield "output.weight", (vocabulary, width)
    for layer in range(layers):
        for name, size in (
            ("attn_norm", (width,)),
            ("ffn_norm", (width,)),
            ("attn_q_norm", (_HEAD,)),
            ("attn_k_norm", (_HEAD,)),
            ("attn_q", (queries, width)),
            ("attn_k", (keys, width)),
            ("attn_v", (keys, width)),
            ("attn_output", (width, queries)),
            ("ffn_gate", (feedforward, width)),
            ("ffn_up", (feedforward, width)),
            ("ffn_down", (width, feedforward)),
        ):
            yield f"blk.{layer}.{name}.weight", size


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--gpu-layers", type=int, default=None)
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("costs").add_argument("models", nargs="+", type=Path)
    profile = commands.add_parser("profile")
    profile.add_argument("draft", type=Path)
    profile.add_argument("target", type=Path)
    random = commands.add_parser("shape")
    random.add_argument("like", type=Path)
    random.add_argument("out", type=Path)
    random.add_argument("shape", nargs=5, type=int)
    given = parser.parse_args()
    if given.command == "costs":
        for path in given.models:
            print(costs(path, given.gpu_layers).shown(), flush=True)
    elif given.command == "profile":
        draft, target = (costs(path, given.gpu_layers) for path in (given.draft, given.target))
        known = {"draft": {"write": draft.write}, "target": {"write": target.write, "read": target.read}}
        print(json.dumps({"device": "this machine", "pair": "PAIR", **known}))
    else:
        write_shape(given.like, given.out, given.shape)


if __name__ == "__main__":
    main()
