"""A cost model: what each model's work cost where it was measured, and what a trace would take at any costs.

Work is decoding (a token at a time), prefill (catching up in a batch) and judging (reading a step and a question in a
batch). A batch costs a fixed part and a part per token. Knows records and arithmetic alone.
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


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of a model's work: `tokens` of one kind, in the `seconds` it took."""

    author: Author
    kind: Kind
    tokens: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds of a piece of work: `fixed`, and `per_token` for each of its tokens."""

    fixed: float
    per_token: float

    def of(self, tokens: int) -> float:
        """Seconds for so many tokens at once."""
        return self.fixed + self.per_token * tokens


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
    """The first token comes with the prefill where there is one, every other from a decode of its own."""
    decoded = proposal.tokens + proposal.ended
    if proposal.prefill_tokens:
        yield Work(proposal.author, Kind.PREFILL, proposal.prefill_tokens, proposal.prefill_seconds)
        yield Work(proposal.author, Kind.DECODE, decoded - 1, proposal.seconds - proposal.prefill_seconds)
    else:
        yield Work(proposal.author, Kind.DECODE, decoded, proposal.seconds)


def measured(runs: Iterable[Run]) -> dict[tuple[Author, Kind], Cost]:
    """What the work in the runs cost: for decoding the mean per token, for batches the least-squares line."""
    pieces: dict[tuple[Author, Kind], list[Work]] = defaultdict(list)
    for run in runs:
        for work in work_of(run):
            pieces[work.author, work.kind].append(work)
    return {key: _mean(works) if key[1] is Kind.DECODE else _line(works) for key, works in pieces.items()}


def seconds_at(costs: Costs, run: Run) -> float:
    """Seconds the work of a run would take at these costs. Raises UsageError where they leave one out."""
    total = 0.0
    for work in work_of(run):
        cost = costs.get((work.author, work.kind))
        if cost is None:
            missing = f"{work.author.value}.{work.kind.value}"
            raise UsageError(f"The costs leave out {missing}.", "confspec bench project RESULTS --format json")
        total += cost.of(work.tokens)
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
    return Cost(0.0, sum(work.seconds for work in works) / tokens if tokens else 0.0)


def _line(works: list[Work]) -> Cost:
    """The least-squares line; where its fixed part would be below nothing, the mean per token."""
    count = len(works)
    x = sum(work.tokens for work in works) / count
    y = sum(work.seconds for work in works) / count
    spread = sum((work.tokens - x) ** 2 for work in works)
    slope = sum((work.tokens - x) * (work.seconds - y) for work in works) / spread if spread else 0.0
    if not spread or slope < 0:
        return Cost(y, 0.0)
    return Cost(y - slope * x, slope) if y >= slope * x else _mean(works)
