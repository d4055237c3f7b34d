"""What it is worth that the draft writes on while the target judges: runs with and without, problem by problem.

    python -m benchmarks.overlap FILE [--pair NAME] [--problems 10] [--threads N] [--accept P] [--always]

Every step is drafted, to its end, and both ways go over the same problems by turns; texts that differ are counted. Two
models at once need cores to spare: with `--threads 1` of two cores, say. `--always` overlaps every judging, whether or
not it is found to pay.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import replace

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.events import Event, StepCommitted, StepPrefetched
from confspec_cli.core.messages import Message, Prompt, Speculation
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.stats import fold
from confspec_cli.core.tasks import TASKS
from confspec_cli.core.trace import Author
from confspec_cli.evaluate.problems import load_problems
from confspec_cli.evaluate.statistics import ratio_interval
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry


def ran(models: Mapping[Author, Engine], config: RunConfig, prompt: Prompt, always: bool) -> list[Event]:
    """The events of a run from nothing read."""
    for engine in models.values():
        engine.reset()
    run = ReasoningRun(prompt, models, config, time.perf_counter)
    if always and config.experimental:
        run._prefetch_policy.begins = lambda: True  # type: ignore[method-assign]  # whatever it would decide
    return list(run.events())


def text(events: list[Event]) -> str:
    """All that was committed."""
    return "".join(event.step.text for event in events if isinstance(event, StepCommitted))


def compare(models: Mapping[Author, Engine], config: RunConfig, given: argparse.Namespace) -> None:
    """Print a line for each problem, and what they come to."""
    seconds: dict[bool, list[float]] = {False: [], True: []}
    differ, ahead, unused = 0, 0, 0
    print("| problem | alone, s | overlapped, s | judgings overlapped | tokens ahead | thrown away |")
    print("|---|--:|--:|--:|--:|--:|")
    for turn, problem in enumerate(load_problems(given.file)[: given.problems]):
        system = problem.system or TASKS[problem.task].system
        prompt = Prompt((Message("system", system), Message("user", problem.prompt)))
        events: dict[bool, list[Event]] = {}
        for overlaps in (False, True)[:: 1 if turn % 2 else -1]:
            events[overlaps] = ran(models, replace(config, experimental=overlaps), prompt, given.always)
            seconds[overlaps].append(fold(events[overlaps]).seconds)
        differ += text(events[False]) != text(events[True])
        stats = fold(events[True])
        ahead, unused = ahead + stats.prefetched, unused + stats.prefetch_unused
        times = sum(isinstance(event, StepPrefetched) for event in events[True])
        judged = f"{times} of {stats.accepted_by_target.whole}"
        took = f"{seconds[False][-1]:.1f} | {seconds[True][-1]:.1f}"
        print(f"| {problem.id} | {took} | {judged} | {stats.prefetched} | {stats.prefetch_unused} |", flush=True)
    value, low, high = ratio_interval(seconds[False], seconds[True])
    print(f"\nalone / overlapped: {value:.3f} [{low:.3f}, {high:.3f}] (95 %), over {len(seconds[True])} problems")
    print(f"{ahead} tokens written ahead, {unused} of them thrown away; texts that differ: {differ}")


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--pair")
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--threads", type=int)
    parser.add_argument("--accept", type=float)
    parser.add_argument("--always", action="store_true")
    given = parser.parse_args()
    options = RunOptions(
        pair=given.pair,
        accept=given.accept,
        min_token_prob=0.0,
        always_draft=True,
        speculate=Speculation.OFF,
        experimental=True,
    )
    resolved = resolve_pair(user_registry(), options)
    config = build_config(resolved.pair, options)
    with engines(resolved, local_files(resolved), HardwareOptions(threads=given.threads), Interrupt()) as models:
        print(f"{resolved.pair.name}, {given.threads or 'all'} threads each, gate {config.gate}\n")
        compare(models, config, given)


if __name__ == "__main__":
    main()
