"""Benchmarks of scripted models on twenty problems, and their results."""

import itertools
import json
from dataclasses import replace

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.evaluate.problems import read_problems
from confspec_cli.evaluate.results import Conditions, read_results
from confspec_cli.evaluate.runner import Bench
from confspec_cli.runtime.crew import Crew
from support.scripted_runs import CONFIG, STEPS

LINES = "".join(json.dumps({"id": f"p{n}", "question": f"What is {n}?", "answer": "42"}) + "\n" for n in range(20))
PROBLEMS = read_problems(LINES, "some.jsonl")
MODES = {mode.value: {TaskName.MATH: replace(CONFIG, mode=mode)} for mode in Mode}


def engines(interrupt=None):
    """A draft that doubts its second step, and a target that says the same at greater length."""
    interrupt = interrupt or Interrupt()
    longer = (STEPS[0], "Long is the second, and long it stays.\n\n", STEPS[2])

    def labels(text):
        return {"Yes": 0.5, "No": 0.4} if "second" in text else {"Yes": 0.98, "No": 0.01}

    return {
        Author.DRAFT: ScriptedEngine(STEPS, labels, interrupt=interrupt),
        Author.TARGET: ScriptedEngine(longer, interrupt=interrupt),
    }


def bench(interrupt=None, models=None, until=None):
    """A benchmark whose clock ticks at every look, and interrupts it at the tick `until`."""
    interrupt, ticks = interrupt or Interrupt(), itertools.count()

    def clock():
        tick = next(ticks)
        if tick == until:
            interrupt.set()
        return float(tick)

    return Bench(Crew([models or engines(interrupt)], {}, interrupt), MODES, clock)


def results_of(runs):
    """The results, read back from the lines they are written as."""
    lines = [json.dumps(Conditions("some", {}, {}).to_dict()), *(json.dumps(run.to_dict()) for run in runs)]
    return read_results(lines, "results.jsonl")
