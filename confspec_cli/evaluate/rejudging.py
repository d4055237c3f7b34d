"""A saved run judged again: what a gate decides is arithmetic over the record, so no model is needed.

What happened after a decision that turns out another way cannot be known from the record, and is not told.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from confspec_cli.core.events import StepJudged
from confspec_cli.core.gate import Combined, Decision, Gate, Signal, Weights, gate_draft, gate_target
from confspec_cli.core.prompts import RATING_THRESHOLD
from confspec_cli.core.real import Real
from confspec_cli.core.run_config import Mode
from confspec_cli.core.trace import Author, Cause
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.results import Results, Run, without_speculation
from confspec_cli.evaluate.tables import Table

_BOUNDS = ("accept", "reject", "target", "min_label_mass", "min_token_prob")
_WEIGHTS = ("bias", "verdict", "lowest", "mean")
_RATING = Gate(Signal.VERDICT, target=RATING_THRESHOLD, min_label_mass=0.0)
_SWEEP = 50
_GIVEN = (Cause.UNSURE, Cause.ESCALATE_STEP)  # asks the target whatever the gate says


@dataclass(frozen=True, slots=True)
class Bounds:
    """Thresholds in place of a run's own, 0..1; None leaves it. Where a draft stopped cannot be judged again."""

    accept: float | None = None
    reject: float | None = None
    target: float | None = None

    def over(self, gate: Gate) -> Gate:
        """Lay them over a gate."""
        return replace(
            gate,
            accept=gate.accept if self.accept is None else self.accept,
            reject=gate.reject if self.reject is None else self.reject,
            target=gate.target if self.target is None else self.target,
        )


def gate_of(parameters: Mapping[str, Any]) -> Gate:
    """The gate in the parameters of a run."""
    gate = Gate(
        Signal(parameters["signal"]),
        **{key: parameters[key] for key in _BOUNDS},
        worth_drafting=parameters["worth_drafting"],
    )
    if gate.signal is not Signal.COMBINED:
        return gate
    weights = (
        Weights(*(Real(parameters[f"{author.value}_{name}"]) for name in _WEIGHTS))
        for author in (Author.DRAFT, Author.TARGET)
    )
    return replace(gate, weights=Combined(*weights))


def again(run: Run, gate: Gate) -> Iterator[tuple[Decision, Decision]]:
    """Of every judgement in a run, what was decided and what the gate decides."""
    for event in run.events:
        if isinstance(event, StepJudged):
            is_rating = without_speculation(run.mode) == Mode.SPECREASON.value
            yield event.decision, _decision(event, _RATING if is_rating else gate)


def rejudged(results: Results, bounds: Bounds) -> Table:
    """How many decisions of each mode come out another way under other bounds; under its own none does."""
    rows = []
    for mode in results.modes:
        turned: Counter[tuple[Decision, Decision]] = Counter()
        for run in results.runs:
            if run.mode == mode:
                turned.update(again(run, bounds.over(_own(results, run))))
        if turned:
            same = sum(count for (was, now), count in turned.items() if was is now)
            rows.append((mode, str(turned.total()), str(same), *(_told(turned, now) for now in Decision)))
    header = ("mode", "judgements", "as they were", *(f"now {decision.value}" for decision in Decision))
    return Table("the decisions on record, judged again; in brackets how many there were", header, rows)


@dataclass(frozen=True, slots=True)
class Swept:
    """What the gate would make of the steps the draft judged, were its `accept` another: shares of them, 0..1."""

    accept: float
    accepted: float
    escalated: float


def swept(results: Results) -> list[Swept]:
    """The steps of `confspec` on record, judged again over all thresholds; none where none were judged."""
    judged = [
        (event, _own(results, run))
        for run in results.runs
        if run.error is None and without_speculation(run.mode) == Mode.CONFSPEC.value
        for event in run.events
        if isinstance(event, StepJudged) and event.assessment.by is Author.DRAFT
    ]
    found = []
    for accept in (n / _SWEEP for n in range(_SWEEP + 1) if judged):
        decided = Counter(_decision(event, Bounds(accept).over(gate)) for event, gate in judged)
        found.append(Swept(accept, *(decided[one] / len(judged) for one in (Decision.ACCEPT, Decision.ESCALATE))))
    return found


def _decision(event: StepJudged, gate: Gate) -> Decision:
    if event.assessment.by is Author.TARGET:
        return gate_target(event.assessment, gate)
    return Decision.ESCALATE if event.cause in _GIVEN else gate_draft(event.assessment, gate)


def _own(results: Results, run: Run) -> Gate:
    """The gate the run was had with."""
    by_task = results.conditions[-1].fixed.get("settings", {}).get(run.mode, {}) if results.conditions else {}
    parameters = by_task.get(run.task) or (next(iter(by_task.values())) if len(by_task) == 1 else None)
    if parameters is None:
        raise UsageError("These results do not record which gate each run used.", "confspec bench FILE -o RESULTS")
    return gate_of(parameters)


def _told(turned: Counter[tuple[Decision, Decision]], decision: Decision) -> str:
    now = sum(count for (_, one), count in turned.items() if one is decision)
    before = sum(count for (one, _), count in turned.items() if one is decision)
    return f"{now} ({before})"
