"""What the engine costs beside bare llama.cpp, and what verification and memory cost in a real run.

    python -m benchmarks.engine_speed speed [MODEL ...]   # tokens per second, ours and a bare loop's, by turns
    python -m benchmarks.engine_speed run [PAIR]          # one problem: share of verification, peak memory

The bare loop is llama_decode and llama_sampler_sample on a context of its own with the same settings, over the same
tokens and weights. Rounds alternate, and the ratio is taken round by round: this holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Sampling, Speculation
from confspec_cli.core.prompts import SYSTEM
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.stats import fold
from confspec_cli.engines.llamacpp.cache import MAX_BATCH
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.native import lib, physical_cores
from confspec_cli.engines.llamacpp.open_model import Hardware, open_context
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.folders import config_folder, models_folder
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

PROBLEM = (
    "A bakery sells muffins for $3 each and cookies for $2 each. On Monday it sold 14 muffins and twice as many "
    "cookies. How much money did it take in?"
)
_HARDWARE = Hardware(context=2048)
_DECODED = 64
_COUNTING = "".join(f"{number}\n" for number in range(1, 30))
"""A reply that every model goes on with for long."""


class Bare:
    """A plain llama.cpp loop on a second context of a loaded model."""

    def __init__(self, engine: LlamaCppEngine, path: Path) -> None:
        self._context, _ = open_context(engine._model, path, _HARDWARE, Interrupt())
        self._batch = lib.llama_batch_init(MAX_BATCH, 0, 1)
        self._sampler = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        lib.llama_sampler_chain_add(self._sampler, lib.llama_sampler_init_greedy())

    def decode(self, prompt: list[int], count: int) -> tuple[float, float]:
        """Seconds for the prompt with its first token, and for `count` tokens more."""
        lib.llama_memory_clear(lib.llama_get_memory(self._context), True)
        began = time.perf_counter()
        for start in range(0, len(prompt), MAX_BATCH):
            self._feed(prompt[start : start + MAX_BATCH], start)
        token = lib.llama_sampler_sample(self._sampler, self._context, -1)
        first = time.perf_counter()
        for position in range(len(prompt), len(prompt) + count):
            self._feed([token], position)
            token = lib.llama_sampler_sample(self._sampler, self._context, -1)
        return first - began, time.perf_counter() - first

    def close(self) -> None:
        """Free the context."""
        lib.llama_sampler_free(self._sampler)
        lib.llama_batch_free(self._batch)
        lib.llama_free(self._context)

    def _feed(self, tokens: list[int], start: int) -> None:
        for i, token in enumerate(tokens):
            self._batch.token[i] = token
            self._batch.pos[i] = start + i
            self._batch.n_seq_id[i] = 1
            self._batch.seq_id[i][0] = 0
            self._batch.logits[i] = i == len(tokens) - 1
        self._batch.n_tokens = len(tokens)
        if lib.llama_decode(self._context, self._batch):
            raise SystemExit("llama_decode failed")


def ours(engine: LlamaCppEngine, prompt: Prompt, count: int) -> tuple[float, float]:
    """Seconds of our engine for the same."""
    began = time.perf_counter()
    stream = engine.generate(prompt, Sampling(), count + 1)
    next(stream)
    first = time.perf_counter()
    written = sum(1 for _ in stream)
    if written != count:
        raise SystemExit(f"the model stopped after {written} tokens; the figures would not compare")
    return first - began, time.perf_counter() - first


def speed(names: list[str], rounds: int) -> None:
    """Print a table: a row per model and phase, medians over the rounds, ratios with their spread."""
    registry = load(config_folder(os.environ) / "models.yaml")
    store = Store(models_folder(os.environ))
    print(f"{physical_cores()} threads, {rounds} rounds, prompts of about 300 tokens, {_DECODED} tokens decoded\n")
    print("| model | phase | ours, tokens/s | bare loop, tokens/s | ours / bare (min to max) |\n|---|---|---|---|---|")
    for name in names:
        found = store.find(registry.model(name))
        if found is None:
            print(f"{name} is not here: confspec pull {name}", file=sys.stderr)
            continue
        engine = LlamaCppEngine(found[0], _HARDWARE, Interrupt(), lambda _: None)
        bare = Bare(engine, found[0])
        _compare(name, engine, bare, rounds)
        bare.close()
        engine.close()


def _compare(name: str, engine: LlamaCppEngine, bare: Bare, rounds: int) -> None:
    times: list[tuple[int, tuple[float, float], tuple[float, float]]] = []
    for turn in range(rounds + 1):
        text = f"This is text number {turn}. " + PROBLEM * 6 + " Now count from 1 to 500."
        prompt = Prompt((Message("user", text),), reply=(_COUNTING,))
        parts = [*engine.spelling.conversation(prompt), prompt.reply]
        tokens = [token for part in parts for token in engine.spelling.spell(part)]
        pair: list[Callable[[], tuple[float, float]]] = [
            lambda prompt=prompt: ours(engine, prompt, _DECODED),  # type: ignore[misc]  # a lambda's default has no type
            lambda tokens=tokens: bare.decode(tokens, _DECODED),  # type: ignore[misc]  # as above
        ]
        first, second = (pair[0](), pair[1]()) if turn % 2 else (pair[1](), pair[0]())[::-1]
        if turn:  # the first round warms up
            times.append((len(tokens), first, second))
    for phase, index in (("prefill", 0), ("decode", 1)):
        counts = [_DECODED if index else tokens for tokens, _, _ in times]
        mine = [count / one[index] for count, (_, one, _) in zip(counts, times, strict=True)]
        plain = [count / other[index] for count, (_, _, other) in zip(counts, times, strict=True)]
        ratios = sorted(a / b for a, b in zip(mine, plain, strict=True))
        print(
            f"| {name} | {phase} | {statistics.median(mine):.1f} | {statistics.median(plain):.1f} "
            f"| {statistics.median(ratios):.3f} ({ratios[0]:.3f} to {ratios[-1]:.3f}) |",
            flush=True,
        )


def run(pair: str | None) -> None:
    """Solve the problem once and print where the time and the memory went."""
    options = RunOptions(pair=pair, speculate=Speculation.OFF)
    resolved = resolve_pair(user_registry(), options)
    paths = local_files(resolved)
    hardware = Hardware(context=resolved.pair.context)
    engines = {author: LlamaCppEngine(path, hardware, Interrupt(), lambda _: None) for author, path in paths.items()}
    prompt = Prompt((Message("system", SYSTEM), Message("user", PROBLEM)))
    config = build_config(resolved.pair, options)
    stats = fold(ReasoningRun(prompt, engines, config, time.perf_counter).events())
    print(
        f"{resolved.pair.name}: {sum(stats.steps.values())} steps in {stats.seconds:.1f} s, {physical_cores()} threads"
    )
    print(f"verification: {sum(stats.verification.values()):.1f} s, {stats.verification_share:.3f} of the time")
    weights = sum(path.stat().st_size for path in paths.values())
    caches = sum(_cache_bytes(engine) for engine in engines.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    print(
        f"peak memory: {peak / 1e6:.0f} MB; files {weights / 1e6:.0f} MB and KV caches {caches / 1e6:.0f} MB; "
        f"above their sum: {(peak - weights - caches) / 1e6:.0f} MB"
    )
    for engine in engines.values():
        engine.close()


def _cache_bytes(engine: LlamaCppEngine) -> int:
    """Bytes of an f16 KV cache: keys and values, for every layer, head and position."""
    model = engine._model
    head = lib.llama_model_n_embd(model) // lib.llama_model_n_head(model)
    return int(2 * 2 * lib.llama_model_n_layer(model) * lib.llama_model_n_head_kv(model) * head * engine.card.context)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["speed", "run"])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    if arguments.what == "run":
        run(arguments.names[0] if arguments.names else None)
        return
    registry = load(config_folder(os.environ) / "models.yaml")
    smallest = [model.name for pair in ("tiny", "starter") for model in registry.models_of(pair)]
    speed(arguments.names or list(dict.fromkeys(smallest)), arguments.rounds)


if __name__ == "__main__":
    main()
