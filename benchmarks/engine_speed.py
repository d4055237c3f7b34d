"""What verification and memory cost in a real run.

python -m benchmarks.engine_speed [PAIR]          # one problem: share of verification, peak memory
"""

from __future__ import annotations

import argparse
import resource
import time

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Speculation
from confspec_cli.core.prompts import SYSTEM
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.stats import fold
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.native import lib, physical_cores
from confspec_cli.engines.llamacpp.open_model import Hardware
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

PROBLEM = (
    "A bakery sells muffins for $3 each and cookies for $2 each. On Monday it sold 14 muffins and twice as many "
    "cookies. How much money did it take in?"
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
    parser.add_argument("pair", nargs="?")
    run(parser.parse_args().pair)


if __name__ == "__main__":
    main()
