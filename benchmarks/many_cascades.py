"""What many cascades at once cost the machine that runs them, with both models on a server that takes no time to think.

    python -m benchmarks.many_cascades [--jobs 200] [--replies 400] [--steps 8]

A scripted llama-server in a process of its own, on loopback, writes the same steps for draft and target; every step is
escalated. Printed are the processor time of this process for each step and the memory that each cascade adds to it.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.crew import crew
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.reporter import SILENT
from confspec_cli.runtime.resolve import resolve_pair, user_registry

_TESTS = Path(__file__).parents[1] / "tests"
_SERVER = """
import sys
from support.scripted_server import ScriptedServer
with ScriptedServer(writes=sys.argv[1], context=8192) as server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
_STEP = "Step {} says what a step of an answer would say.\n\n"


@contextmanager
def server(steps: int) -> Iterator[str]:
    """A scripted server in a process of its own, whose replies have so many steps; its URL."""
    argv = [sys.executable, "-c", _SERVER, "".join(map(_STEP.format, range(steps)))]
    env = {**os.environ, "PYTHONPATH": str(_TESTS)}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout
        yield child.stdout.readline().strip()


def memory() -> float:
    """The memory of this process, in MB."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6


def measured(url: str, jobs: int, replies: int) -> tuple[float, float, float]:
    """Milliseconds of processor time for each step, megabytes for each cascade, and seconds in all."""
    options = RunOptions(draft=url, target=url, max_tokens=4000, accept=1.0, always_draft=True)
    resolved = resolve_pair(user_registry(), options)
    config = build_config(resolved.pair, options)

    def run(models: Mapping[Author, Engine], number: int) -> int:
        prompt = prompt_of(f"What is {number}?", None, models, (), config)
        stats = fold(ReasoningRun(prompt, models, config, time.perf_counter).events())
        return stats.accepted_by_target.whole

    with crew(resolved, {}, HardwareOptions(), Interrupt(), SILENT, 1) as alone:
        list(alone.in_order(range(1), run))
        before = memory()
    with crew(resolved, {}, HardwareOptions(), Interrupt(), SILENT, jobs) as together:
        list(together.in_order(range(jobs), run))
        added = (memory() - before) / jobs
        began, used = time.perf_counter(), time.process_time()
        steps = sum(together.in_order(range(replies), run))
        return 1e3 * (time.process_time() - used) / steps, added, time.perf_counter() - began


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--jobs", type=int, default=200)
    parser.add_argument("--replies", type=int, default=400)
    parser.add_argument("--steps", type=int, default=8, help="of a reply")
    given = parser.parse_args()
    with server(given.steps) as url:
        step, each, seconds = measured(url, given.jobs, given.replies)
    print(f"{given.jobs} cascades at once, {given.replies} replies in {seconds:.1f} s")
    tokens = len(_STEP.format(0))  # each is a byte
    print(f"{step:.2f} ms of processor time for each step, drafted in {tokens} streamed tokens and escalated")
    print(f"{each:.2f} MB for each cascade")


if __name__ == "__main__":
    main()
