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
from confspec_cli.core.frontier import MeasuredGate, TokenCosts
from confspec_cli.core.gate import Combined, Gate, Signal
from confspec_cli.core.messages import Prompt
from confspec_cli.core.real import Real
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.errors import ContextFull
from confspec_cli.evaluate.grader import grade
from confspec_cli.evaluate.problems import AnswerKind, Problem
from confspec_cli.evaluate.recalled import READING, WRITING, Recalled
from confspec_cli.evaluate.statistics import upper_bound
from confspec_cli.runtime.build_prompt import prompt_of

_KEPT = 0.001  # beginnings of rejected steps are kept
_WORK = ("drafted", "wasted", "read", "written", "reads")
_READ = {  # the target reads every step, and accepts from here on
    Signal.LIKELIHOOD: (0.3, 0.1, 0.02),
    Signal.MEAN_LIKELIHOOD: (0.8,),
    Signal.VERDICT: (0.7,),
    Signal.COMBINED: (0.9, 0.8, 0.6),
}
_TRUSTED = {  # the draft accepts from here on, unasked; below, the target reads the step
    Signal.LIKELIHOOD: 0.9,
    Signal.VERDICT: 0.98,
    Signal.COMBINED: 0.95,
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

    Few, as all their bounds hold at once: each one more makes those of the others a little worse, and takes its time.
    """
    found = {name: gate for signal in signals for name, gate in _candidates(signal).items()}
    return {
        name: replace(gate, weights=weights) if weights and gate.signal is Signal.COMBINED else gate
        for name, gate in found.items()
    }


def _candidates(signal: Signal) -> dict[str, Gate]:
    of, targets, trusted = _NAMES[signal], _READ[signal], _TRUSTED.get(signal)
    keeps = signal is Signal.LIKELIHOOD  # only it knows where in a step the doubt begins
    kept, suffix = (_KEPT, "-kept") if keeps else (0.0, "")
    found = {f"read-{of}{p:g}{suffix}": Gate(signal, accept=1.0, target=p, min_token_prob=kept) for p in targets}
    usual = targets[len(targets) // 2]
    if keeps:
        name = f"read-{of}{usual:g}{suffix}"
        found[f"{name}-first"] = replace(found[name], target_first=True)
    if trusted:
        early = trusted if keeps else 0.0
        found[f"trust-{of}{trusted:g}"] = Gate(signal, accept=trusted, target=usual, min_token_prob=early)
    return found


class GateTrials:
    """Tries gates on problems. `config` is the pair's but for the gate; the runs take no time worth measuring."""

    def __init__(self, models: Mapping[Author, Engine], config: RunConfig, gates: Mapping[str, Gate]) -> None:
        self._models = {author: Recalled(engine) for author, engine in models.items()}
        self._config = replace(config, asks=False, adaptive=False)
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
        return {**known, "tried": self._tried, **found, "costs": self._costs()}

    def _costs(self) -> dict[str, tuple[int, float]]:
        """Tokens that were computed for this problem, and the seconds they took, by kind of work."""
        draft, target = (self._models[author].work for author in Author)
        return {"drafting": draft[WRITING], "reading": target[READING], "writing": target[WRITING]}

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


def costs_of(records: Sequence[Mapping[str, Any]]) -> TokenCosts | None:
    """What a token took where the gates were tried; None where some kind of work is not in the records."""
    found = []
    for kind in ("drafting", "reading", "writing"):
        work = [record["costs"][kind] for record in records if "costs" in record]
        tokens, seconds = sum(tokens for tokens, _ in work), sum(seconds for _, seconds in work)
        if not tokens:
            return None
        found.append(seconds / tokens)
    return TokenCosts(*found)


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
