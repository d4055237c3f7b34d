"""How long a pair takes to load: its models one after the other, and both at the same time.

python -m benchmarks.load_time [PAIR] [--rounds 5]   # the files are in the file cache after the first round
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Mapping
from pathlib import Path

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.trace import Author
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import load_engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import ResolvedPair, resolve_pair, user_registry


def seconds(resolved: ResolvedPair, groups: list[Mapping[Author, Path]]) -> float:
    """Seconds to load these groups, each at once, one group after the other."""
    began = time.perf_counter()
    loaded = [load_engines(resolved, group, HardwareOptions(), Interrupt()) for group in groups]
    took = time.perf_counter() - began
    for engine in (engine for group in loaded for engine in group.values()):
        engine.close()
    return took


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", nargs="?")
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    resolved = resolve_pair(user_registry(), RunOptions(pair=given.pair))
    paths = local_files(resolved)
    apart: list[Mapping[Author, Path]] = [{author: path} for author, path in paths.items()]
    seconds(resolved, [paths])
    rounds = [(seconds(resolved, apart), seconds(resolved, [paths])) for _ in range(given.rounds)]
    for what, times in zip(("one after the other", "at the same time"), zip(*rounds, strict=True), strict=True):
        print(f"{resolved.pair.name}, {what}: {statistics.median(times):.2f} s ({min(times):.2f} to {max(times):.2f})")
    ratios = [one / both for one, both in rounds]
    print(f"ratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f}), {given.rounds} rounds")


if __name__ == "__main__":
    main()
