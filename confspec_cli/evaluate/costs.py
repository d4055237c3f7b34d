"""A cost model: what each model's work cost where it was measured, and what a trace would take at any costs.

Work is decoding (a token at a time), prefill (catching up in a batch), judging (reading a step and a question in a
batch) and checking (guesses, in batches). A batch costs a fixed part and a part per token. Knows records and arithmetic
alone.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from confspec_cli.core.events import StepJudged, StepWritten
from confspec_cli.core.trace import Author, WrittenStep
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.results import Run


class WorkKind(str, Enum):
    """What a model did."""

    DECODE = "decode"
    PREFILL = "prefill"
    JUDGE = "judge"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of a model's work: `tokens` of one kind in so many `batches`, in the `seconds` it took.

    What a model wrote in part by itself and in part by guesses is two pieces, and the time of either is not known.
    """

    author: Author
    kind: WorkKind
    tokens: int
    seconds: float | None
    batches: int = 1


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a piece of work: `fixed`, and `per_token` for each of its tokens."""

    fixed: float
    per_token: float

    def of(self, tokens: int, batches: int = 1) -> float:
        """Seconds for so many tokens in so many batches."""
        return self.fixed * batches + self.per_token * tokens


Costs = Mapping[tuple[Author, WorkKind], Cost]
"""What each kind of each model's work costs."""


def work_of(run: Run) -> Iterator[Work]:
    """The work of a run, piece by piece."""
    for event in run.events:
        match event:
            case StepWritten(written_step=written_step):
                yield from _written(written_step)
            case StepJudged(assessment=assessment):
                if assessment.prefill_tokens:
                    yield Work(assessment.by, WorkKind.PREFILL, assessment.prefill_tokens, assessment.prefill_seconds)
                yield Work(assessment.by, WorkKind.JUDGE, assessment.tokens, assessment.seconds)


def _written(written_step: WrittenStep) -> Iterator[Work]:
    """The first token comes with the prefill where there is one, and every other, bar guesses, from a decode."""
    author, seconds = written_step.author, written_step.seconds
    decoded = (
        written_step.tokens + written_step.ended - written_step.speculation_accepted - written_step.speculation_batches
    )
    if written_step.prefill_tokens:
        yield Work(author, WorkKind.PREFILL, written_step.prefill_tokens, written_step.prefill_seconds)
        decoded, seconds = decoded - 1, seconds - written_step.prefill_seconds
    if written_step.speculation_batches:
        yield Work(author, WorkKind.DECODE, max(decoded, 0), None)
        yield Work(
            author, WorkKind.CHECK, written_step.speculation_batch_tokens, None, written_step.speculation_batches
        )
    else:
        yield Work(author, WorkKind.DECODE, max(decoded, 0), seconds)


def measured(runs: Iterable[Run]) -> dict[tuple[Author, WorkKind], Cost]:
    """What the work in the runs cost: for decoding the mean per token, for batches the least-squares line."""
    pieces: dict[tuple[Author, WorkKind], list[Work]] = defaultdict(list)
    mixed: list[WrittenStep] = []
    for run in runs:
        for work in work_of(run):
            if work.seconds is not None:
                pieces[work.author, work.kind].append(work)
        mixed += [
            event.written_step
            for event in run.events
            if isinstance(event, StepWritten) and event.written_step.speculation_batches
        ]
    costs = {key: _mean(works) if key[1] is WorkKind.DECODE else _line(works) for key, works in pieces.items()}
    for author in Author:
        if checked := list(_checked([one for one in mixed if one.author is author], costs)):
            costs[author, WorkKind.CHECK] = _line(checked)
    return costs


def _checked(written_steps: Iterable[WrittenStep], costs: Costs) -> Iterator[Work]:
    """The checking of guesses, by what is left of the time once decoding is taken off."""
    for written_step in written_steps:
        decode = costs.get((written_step.author, WorkKind.DECODE))
        if decode is None:
            return
        alone = sum(work.tokens for work in _written(written_step) if work.kind is WorkKind.DECODE)
        seconds = written_step.seconds - (written_step.prefill_seconds if written_step.prefill_tokens else 0.0)
        yield Work(
            written_step.author,
            WorkKind.CHECK,
            written_step.speculation_batch_tokens,
            seconds - decode.of(alone),
            written_step.speculation_batches,
        )


def seconds_at(costs: Costs, run: Run) -> float:
    """Seconds the work of a run would take at these costs. Raises UsageError where they leave one out."""
    total = 0.0
    for work in work_of(run):
        cost = costs.get((work.author, work.kind))
        if cost is None:
            missing = f"{work.author.value}.{work.kind.value}"
            raise UsageError(f"The costs lack {missing}.", "confspec bench project RESULTS --format json")
        total += cost.of(work.tokens, work.batches)
    return total


def to_dict(costs: Costs) -> dict[str, dict[str, dict[str, float]]]:
    """Costs as they stand in a file: by model and kind, in seconds."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (author, kind), cost in costs.items():
        table.setdefault(author.value, {})[kind.value] = asdict(cost)
    return table


def from_dict(table: Any, name: str) -> dict[tuple[Author, WorkKind], Cost]:
    """The costs in the JSON of a file, alone or as a projection prints them. Raises UsageError for what is none."""
    try:
        return {
            (Author(author), WorkKind(kind)): Cost(_seconds(cost["fixed"]), _seconds(cost["per_token"]))
            for author, kinds in table.get("costs", table).items()
            for kind, cost in kinds.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise UsageError(
            f"{name} holds no costs: by draft and target, then decode, prefill and judge, each fixed and per_token.",
            "confspec bench project RESULTS --format json",
        ) from problem


def _seconds(value: Any) -> float:
    seconds = float(value)
    if not 0 <= seconds < math.inf:
        raise ValueError(value)
    return seconds


def _mean(works: list[Work]) -> Cost:
    tokens = sum(work.tokens for work in works)
    return Cost(0.0, sum(work.seconds or 0.0 for work in works) / tokens if tokens else 0.0)


def _line(works: list[Work]) -> Cost:
    """The least-squares line, a fixed part a batch; where that would be below nothing, the mean per token."""
    batches = tokens = squares = fixed = slopes = 0.0
    for work in works:
        seconds = work.seconds or 0.0
        batches += work.batches**2
        tokens += work.tokens * work.batches
        squares += work.tokens**2
        fixed += work.batches * seconds
        slopes += work.tokens * seconds
    spread = batches * squares - tokens**2
    per_token = (batches * slopes - tokens * fixed) / spread if spread > 0 else 0.0
    if per_token <= 0:
        return Cost(fixed / batches if batches else 0.0, 0.0)
    per_batch = (fixed - per_token * tokens) / batches
    return Cost(per_batch, per_token) if per_batch >= 0 else _mean(works)
