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

from confspec_cli.bench.records import Run
from confspec_cli.errors import UsageError
from confspec_cli.events import StepJudged, StepWritten
from confspec_cli.trace import Author, Proposal


class Kind(str, Enum):
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
    kind: Kind
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


Costs = Mapping[tuple[Author, Kind], Cost]
"""What each kind of each model's work costs."""


def work_of(run: Run) -> Iterator[Work]:
    """The work of a run, piece by piece."""
    for event in run.events:
        match event:
            case StepWritten(proposal=proposal):
                yield from _written(proposal)
            case StepJudged(reading=reading):
                if reading.prefill_tokens:
                    yield Work(reading.by, Kind.PREFILL, reading.prefill_tokens, reading.prefill_seconds)
                yield Work(reading.by, Kind.JUDGE, reading.tokens, reading.seconds)


def _written(proposal: Proposal) -> Iterator[Work]:
    """The first token comes with the prefill where there is one, and every other, bar guesses, from a decode."""
    author, seconds = proposal.author, proposal.seconds
    decoded = proposal.tokens + proposal.ended - proposal.guessed - proposal.batches
    if proposal.prefill_tokens:
        yield Work(author, Kind.PREFILL, proposal.prefill_tokens, proposal.prefill_seconds)
        decoded, seconds = decoded - 1, seconds - proposal.prefill_seconds
    if proposal.batches:
        yield Work(author, Kind.DECODE, max(decoded, 0), None)
        yield Work(author, Kind.CHECK, proposal.batched, None, proposal.batches)
    else:
        yield Work(author, Kind.DECODE, max(decoded, 0), seconds)


def measured(runs: Iterable[Run]) -> dict[tuple[Author, Kind], Cost]:
    """What the work in the runs cost: for decoding the mean per token, for batches the least-squares line."""
    pieces: dict[tuple[Author, Kind], list[Work]] = defaultdict(list)
    mixed: list[Proposal] = []
    for run in runs:
        for work in work_of(run):
            if work.seconds is not None:
                pieces[work.author, work.kind].append(work)
        mixed += [event.proposal for event in run.events if isinstance(event, StepWritten) and event.proposal.batches]
    costs = {key: _mean(works) if key[1] is Kind.DECODE else _line(works) for key, works in pieces.items()}
    for author in Author:
        if checked := list(_checked([one for one in mixed if one.author is author], costs)):
            costs[author, Kind.CHECK] = _line(checked)
    return costs


def _checked(proposals: Iterable[Proposal], costs: Costs) -> Iterator[Work]:
    """The checking of guesses, by what is left of the time once decoding is taken off."""
    for proposal in proposals:
        decode = costs.get((proposal.author, Kind.DECODE))
        if decode is None:
            return
        alone = sum(work.tokens for work in _written(proposal) if work.kind is Kind.DECODE)
        seconds = proposal.seconds - (proposal.prefill_seconds if proposal.prefill_tokens else 0.0)
        yield Work(proposal.author, Kind.CHECK, proposal.batched, seconds - decode.of(alone), proposal.batches)


def seconds_at(costs: Costs, run: Run) -> float:
    """Seconds the work of a run would take at these costs. Raises UsageError where they leave one out."""
    total = 0.0
    for work in work_of(run):
        cost = costs.get((work.author, work.kind))
        if cost is None:
            missing = f"{work.author.value}.{work.kind.value}"
            raise UsageError(f"The costs leave out {missing}.", "confspec bench project RESULTS --format json")
        total += cost.of(work.tokens, work.batches)
    return total


def to_dict(costs: Costs) -> dict[str, dict[str, dict[str, float]]]:
    """Costs as they stand in a file: by model and kind, in seconds."""
    table: dict[str, dict[str, dict[str, float]]] = {}
    for (author, kind), cost in costs.items():
        table.setdefault(author.value, {})[kind.value] = asdict(cost)
    return table


def from_dict(table: Any, name: str) -> dict[tuple[Author, Kind], Cost]:
    """The costs in the JSON of a file, alone or as a projection prints them. Raises UsageError for what is none."""
    try:
        return {
            (Author(author), Kind(kind)): Cost(_seconds(cost["fixed"]), _seconds(cost["per_token"]))
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
