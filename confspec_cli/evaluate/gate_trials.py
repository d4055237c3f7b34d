"""Gates tried on whole problems: which answers they lose that the target alone gets right, and at what work.

Every gate answers every problem by the algorithm itself, kept beginnings, early stops and all, so nothing is assumed of
a step but what comes of it. The gates are fixed before anything is measured.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, replace
from statistics import fmean
from typing import Any

from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event, RunFinished, StepJudged
from confspec_cli.core.frontier import MeasuredGate
from confspec_cli.core.gate import Combined, Gate, Real, Signal
from confspec_cli.core.messages import Prompt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.errors import ContextFull
from confspec_cli.evaluate.grader import grade
from confspec_cli.evaluate.problems import AnswerKind, Problem
from confspec_cli.evaluate.recalled import Recalled
from confspec_cli.evaluate.statistics import upper_bound
from confspec_cli.runtime.build_prompt import prompt_of

_KEPT, _STOP = 0.001, 0.25  # beginnings are kept; the draft stops early as well
_WORK = ("drafted", "wasted", "read", "written", "reads")
_TRIED = {  # the target's thresholds for steps that it reads, and the draft's for steps that it accepts unasked
    Signal.LIKELIHOOD: ((0.3, 0.1, 0.02), (0.9, 0.6)),
    Signal.MEAN_LIKELIHOOD: ((0.9, 0.8, 0.65), (0.95,)),
    Signal.VERDICT: ((0.9, 0.7, 0.5), (0.98, 0.95)),
    Signal.COMBINED: ((0.9, 0.8, 0.6), (0.98, 0.95)),
}
_NAMES = {
    Signal.LIKELIHOOD: "",
    Signal.MEAN_LIKELIHOOD: "mean-",
    Signal.VERDICT: "verdict-",
    Signal.COMBINED: "combined-",
}
USUAL_SIGNALS = (Signal.LIKELIHOOD, Signal.MEAN_LIKELIHOOD, Signal.VERDICT)
"""What is tried where nobody names a signal: all but the combined one, whose weights take half of the problems."""


def candidates(signals: Iterable[Signal], weights: Combined | None = None) -> dict[str, Gate]:
    """The gates to try by name: `read-...` has the target read every step, `trust-...` accepts some unasked.

    Few, as all their bounds hold at once: each one more makes those of the others a little worse.
    """
    found = {name: gate for signal in signals for name, gate in _candidates(signal).items()}
    return {
        name: replace(gate, weights=weights) if weights and gate.signal is Signal.COMBINED else gate
        for name, gate in found.items()
    }


def _candidates(signal: Signal) -> dict[str, Gate]:
    of, (targets, accepts) = _NAMES[signal], _TRIED[signal]
    read = {f"read-{of}{target:g}": Gate(signal, accept=1.0, target=target) for target in targets}
    middle, usual = f"read-{of}{targets[1]:g}", targets[1]
    if signal is not Signal.LIKELIHOOD:
        trust = {f"trust-{of}{p:g}": Gate(signal, accept=p, target=usual) for p in accepts}
        return read | {f"{middle}-first": replace(read[middle], target_first=True)} | trust
    kept = {f"{name}-kept": replace(gate, min_token_prob=_KEPT) for name, gate in read.items()}
    others = {
        f"{middle}-stop": replace(read[middle], min_token_prob=_STOP),
        f"{middle}-kept-first": replace(read[middle], min_token_prob=_KEPT, target_first=True),
    }
    trust = {f"trust-{p:g}": Gate(signal, accept=p, target=usual, min_token_prob=p) for p in accepts}
    return read | kept | others | trust


class GateTrials:
    """Tries gates on problems. `config` is the pair's but for the gate; the runs take no time worth measuring."""

    def __init__(self, models: Mapping[Author, Engine], config: RunConfig, gates: Mapping[str, Gate]) -> None:
        self._models = {author: Recalled(engine) for author, engine in models.items()}
        self._config = replace(config, asks=False, adaptive=False, experimental=False)
        self._gates = gates
        self._tried = digest(gates)

    def record(self, problem: Problem) -> dict[str, Any]:
        """The record of a problem, JSON-ready; `skipped` where it does not fit into a model's context."""
        known = {"record": "answers", "problem": problem.id, "problem_sha256": problem.sha256}
        for model in self._models.values():
            model.forget()
        try:
            prompt = prompt_of(problem.prompt, problem.system, self._models, (), self._config)
            alone, events = self._answered(prompt, replace(self._config, mode=Mode.TARGET))
        except ContextFull:
            return {**known, "skipped": True}
        if alone.reason is FinishReason.CONTEXT or (problem.kind is AnswerKind.NONE and not alone.answer):
            return {**known, "skipped": True}
        if problem.kind is AnswerKind.NONE:  # right is what the target alone answers
            problem = replace(problem, kind=AnswerKind.LATEX, answer=alone.answer or "")
        found = {"alone": _outcome(problem, alone, events), "gates": {}}
        for name, gate in self._gates.items():
            found["gates"][name] = _outcome(problem, *self._answered(prompt, replace(self._config, gate=gate)))
        return {**known, "tried": self._tried, **found}

    def _answered(self, prompt: Prompt, config: RunConfig) -> tuple[RunFinished, list[Event]]:
        """How one way of answering ended, and everything that happened."""
        models = {Author.TARGET: self._models[Author.TARGET]} if config.mode is Mode.TARGET else self._models
        events = list(ReasoningRun(prompt, models, config, lambda: 0.0).events())
        finished = events[-1]
        assert isinstance(finished, RunFinished)
        return finished, events


def _outcome(problem: Problem, finished: RunFinished, events: Sequence[Event]) -> dict[str, Any]:
    """Whether an answer is right, and its work in tokens."""
    stats = fold(events)
    assessed = [event.assessment for event in events if isinstance(event, StepJudged)]
    read = [one.tokens for one in assessed if one.by is Author.TARGET]
    return {
        "right": grade(problem, finished.reply).correct is True,
        "drafted": stats.written[Author.DRAFT],
        "wasted": stats.wasted_tokens,
        "read": sum(read),
        "written": stats.written[Author.TARGET],
        "reads": len(read),
    }


def digest(gates: Mapping[str, Gate]) -> str:
    """What tells these gates from others."""
    plain = {name: asdict(gate) for name, gate in gates.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()[:16]


def frontier(
    records: Sequence[Mapping[str, Any]], gates: Mapping[str, Gate], confidence: float
) -> tuple[MeasuredGate, ...]:
    """What the records say of each gate; nothing where the target alone is never right.

    The bounds are Clopper-Pearson's over the problems the target alone gets right, each at the doubt allowed divided by
    the number of gates (Bonferroni): so they all hold at once, whichever gate is chosen in the end.
    """
    answered = [record for record in records if not record.get("skipped")]
    solved = [record for record in answered if record["alone"]["right"]]
    if not solved:
        return ()
    return tuple(
        _measured(name, gate, answered, solved, 1 - (1 - confidence) / len(gates)) for name, gate in gates.items()
    )


def _measured(
    name: str, gate: Gate, answered: Sequence[Mapping[str, Any]], solved: Sequence[Mapping[str, Any]], confidence: float
) -> MeasuredGate:
    lost = sum(not record["gates"][name]["right"] for record in solved)
    work = {kind: fmean(record["gates"][name].get(kind, 0) for record in answered) for kind in _WORK}
    work["alone"] = fmean(record["alone"]["written"] for record in answered)
    return MeasuredGate(
        name,
        gate,
        len(solved),
        round(lost / len(solved), 4),
        math.ceil(1e4 * upper_bound(lost, len(solved), confidence)) / 1e4,
        **{kind: Real(round(tokens, 1)) for kind, tokens in work.items()},
    )
