"""What the processor's own order of weights is worth: plain, repacked by name, and repacked by llama.cpp itself.

    python -m benchmarks.repacking_gain [MODEL ...]

prints a Markdown table: tokens a second decoded, and milliseconds for a batch of four. Weights are repacked by name
where the processor has AMX, whose kernels crash in some builds; on another one that is forced here, and the third way
is what the engine does. Rounds alternate, and ratios are taken round by round: they hold when its speed drifts.
"""

from __future__ import annotations

import argparse
import os
import statistics
import sys
import time
from pathlib import Path
from unittest import mock

from benchmarks.engine_speed import PROBLEM
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.engines.llamacpp import open_model as loading
from confspec_cli.engines.llamacpp.devices import features
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.native import has_amx, physical_cores
from confspec_cli.engines.llamacpp.repacking import Repacking
from confspec_cli.models import gguf
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.runtime.folders import config_folder, models_folder

_HARDWARE = loading.Hardware(context=2048)
_DECODED, _BATCHES, _BATCH = 32, 16, 4
_PROMPT = Prompt((Message("user", PROBLEM * 4 + " Now count from 1 to 500."),), reply=("1\n2\n3\n4\n5\n",))


def opened(path: Path, repacking: Repacking) -> LlamaCppEngine:
    """A model whose weights are repacked so, whatever this processor asks for."""
    with mock.patch.object(loading, "repacking", lambda: repacking):
        return LlamaCppEngine(path, _HARDWARE, Interrupt(), lambda _: None)


def measured(engine: LlamaCppEngine) -> tuple[float, float]:
    """Seconds for one token, and for a batch of four, after the same prompt."""
    stream = engine.generate(_PROMPT, Sampling(), _DECODED + 1)
    next(stream)
    began = time.perf_counter()
    written = sum(1 for _ in stream)
    decode = time.perf_counter() - began
    cache = engine._cache
    tokens = cache.tokens[-_BATCH:]
    began = time.perf_counter()
    for _ in range(_BATCHES):
        next(cache.feed_reading(tokens))
    batches = time.perf_counter() - began
    engine.reset()
    return decode / written, batches / _BATCHES


def compare(name: str, path: Path, rounds: int) -> None:
    """Print the rows of one model."""
    ways = {"plain": Repacking(by_name=True), "by name": Repacking.of(features(), by_name=True)}
    if not has_amx():
        ways["by llama.cpp"] = Repacking.of(features(), by_name=False)
    header = gguf.read(path)
    repacked = sum(tensor.bytes for tensor in header.tensors if ways["by name"].takes(tensor))
    engines = {way: opened(path, repacking) for way, repacking in ways.items()}
    seconds: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
    for turn in range(rounds + 1):
        for way in list(ways)[:: 1 if turn % 2 else -1]:
            took = measured(engines[way])
            if turn:  # the first round warms up
                seconds[way].append(took)
    for engine in engines.values():
        engine.close()
    plain = [list(phase) for phase in zip(*seconds["plain"], strict=True)]
    for way, each in seconds.items():
        single, batch = (list(phase) for phase in zip(*each, strict=True))
        print(
            f"| {name} ({repacked / 1e6:.0f} MB) | {way} | {1 / statistics.median(single):.1f} "
            f"| {_faster(plain[0], single)} | {1000 * statistics.median(batch):.0f} | {_faster(plain[1], batch)} |",
            flush=True,
        )


def _faster(plain: list[float], own: list[float]) -> str:
    """How many times faster the second is, as median and spread."""
    ratios = sorted(one / other for one, other in zip(plain, own, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*")
    parser.add_argument("--rounds", type=int, default=7)
    arguments = parser.parse_args()
    registry, store = load(config_folder(os.environ) / "models.yaml"), Store(models_folder(os.environ))
    print(f"{physical_cores()} threads, {arguments.rounds} rounds\n")
    print("| model (repacked by name) | weights | tokens/s | times plain | batch of 4, ms | times plain |")
    print("|---|---|--:|--:|--:|--:|")
    for name in arguments.names or [model.name for model in registry.models_of("starter")]:
        found = store.find(registry.model(name))
        if found is None:
            print(f"{name} is not here: confspec pull {name}", file=sys.stderr)
            continue
        compare(name, found[0], arguments.rounds)


if __name__ == "__main__":
    main()
