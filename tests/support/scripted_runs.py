"""Runs of scripted models, for tests that need many of them or kill them."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from confspec_cli.core.events import Event
from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine

STEPS = ("This is the first step of it.\n\n", "And this is the second one.\n\n", "So it is \\boxed{42}.")
CONFIG = RunConfig(Mode.CONFSPEC, Gate(), QUESTIONS["correct"], Sampling(), 512, 128, 8)


def models(delay: float = 0.0, steps: tuple[str, ...] = STEPS) -> dict[Author, ScriptedEngine]:
    """A pair that says the same; every word takes `delay` seconds."""

    def slow(_: str) -> float:
        time.sleep(delay)
        return -0.1

    return {author: ScriptedEngine(steps, likelihood=slow) for author in Author}


def run(messages: tuple[Message, ...], delay: float = 0.0, steps: tuple[str, ...] = STEPS) -> Iterator[Event]:
    """The events of a run over a conversation."""
    return ReasoningRun(Prompt(messages), models(delay, steps), CONFIG, time.perf_counter).events()


def child(code: str, *arguments: str) -> subprocess.Popen[str]:
    """A process of its own that runs the code and can import what tests can."""
    paths = [str(Path(__file__).parents[1]), *filter(None, sys.path)]
    return subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(paths)},
    )
