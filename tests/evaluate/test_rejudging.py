"""A saved run judged again: at its own bounds nothing changes, whatever shaped it."""

import itertools
import json
import math
from dataclasses import replace

import pytest
from support.scripted_runs import CONFIG, STEPS

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.gate import Combined, Decision, Gate, Signal, Weights
from confspec_cli.core.real import Real
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.evaluate.problems import read_problems
from confspec_cli.evaluate.rejudging import Bounds, again, gate_of, rejudged, swept
from confspec_cli.evaluate.results import Conditions, read_results
from confspec_cli.evaluate.runner import Bench
from confspec_cli.runtime.crew import Crew

GATES = {
    "verdict": Gate(),
    "likelihood": Gate(Signal.LIKELIHOOD, accept=0.9, reject=0.1, target=0.3),
    "stopping": Gate(Signal.LIKELIHOOD, accept=0.9, target=0.3, min_token_prob=0.5),
    "combined": Gate(Signal.COMBINED, accept=0.7, target=0.5, weights=Combined(Weights(Real(1), Real(0.3), Real(2)))),
}
PROBLEMS = read_problems("".join(f'{{"id": "p{n}", "question": "{n}?", "answer": "42"}}\n' for n in range(6)), "some")


def results(gate):
    """A benchmark under a gate, read back from its lines: a draft with good, poor and hopeless steps."""

    def likelihood(text):
        return {"second": math.log(0.4), "first": math.log(0.7)}.get(text.strip(), -0.02)

    labels = {"Yes": 0.6, "No": 0.3}
    models = {author: ScriptedEngine(STEPS, lambda _: labels, likelihood) for author in Author}
    config = {mode.value: {TaskName.MATH: replace(CONFIG, mode=mode, gate=gate)} for mode in Mode}
    ticks = itertools.count()
    runs = Bench(Crew([models], {}, Interrupt()), config, lambda: float(next(ticks))).runs(PROBLEMS, set())
    settings = {mode: {task.value: rule.parameters() for task, rule in tasks.items()} for mode, tasks in config.items()}
    lines = [Conditions("some", {"settings": settings}, {}).to_dict(), *(run.to_dict() for run in runs)]
    return read_results([json.dumps(line) for line in lines], "some.results.jsonl")


@pytest.mark.parametrize("name", GATES)
def test_at_its_own_bounds_every_decision_comes_out_as_it_was(name):
    saved = results(GATES[name])
    assert gate_of(saved.conditions[-1].fixed["settings"]["confspec"]["math"]) == GATES[name]
    pairs = [pair for run in saved.runs for pair in again(run, GATES[name])]
    assert len(pairs) > 20
    assert all(was is now for was, now in pairs)
    for row in rejudged(saved, Bounds()).rows:
        assert row[1] == row[2]


def test_at_other_bounds_decisions_change_as_the_arithmetic_says():
    saved = results(GATES["likelihood"])
    run = next(run for run in saved.runs if run.mode == "confspec")
    before = [was for was, _ in again(run, GATES["likelihood"])]
    assert Decision.ESCALATE in before
    assert all(now is Decision.ACCEPT for _, now in again(run, replace(GATES["likelihood"], accept=0, target=0)))
    (row,) = [row for row in rejudged(saved, Bounds(accept=0.99)).rows if row[0] == "confspec"]
    assert int(row[2]) < int(row[1])


def test_thresholds_are_swept_from_all_accepted_to_what_only_the_surest_passes():
    sweep = swept(results(Gate(Signal.LIKELIHOOD, accept=0.9, reject=0.1, target=0.3)))
    assert (sweep[0].accept, sweep[0].accepted, sweep[0].escalated) == (0.0, 1.0, 0.0)
    assert [one.accepted for one in sweep] == sorted((one.accepted for one in sweep), reverse=True)
    assert (sweep[-1].accept, sweep[-1].accepted) == (1.0, 0.0)
    assert not swept(read_results([], "nothing"))
