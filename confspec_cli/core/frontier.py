"""A pair's frontier: gates whose losses and work were measured, and the one that takes least time at given costs.

What a gate loses and how many tokens it takes belongs to the pair and the kind of work; what a token costs belongs to
the device. So the first is calibrated once, and the choice is made where the pair runs.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

from confspec_cli.core.gate import Gate
from confspec_cli.core.real import Real
from confspec_cli.core.speed_model import AnswerWork

ALONE = "target"
"""The name of the choice that needs no gate: the target alone."""


@dataclass(frozen=True, slots=True)
class MeasuredGate:
    """A gate as calibration measured it on whole replies.

    It lost the share `lost` of the `solved` problems that the target alone gets right; with the confidence of the
    calibration it loses at most `bound`, which holds for all gates of the frontier at once. The rest are tokens per
    answer, as in AnswerWork; `reads` are the steps that the target reads them in, 0 where that was not counted.
    """

    name: str
    gate: Gate
    solved: int
    lost: float
    bound: float
    drafted: Real
    wasted: Real
    read: Real
    written: Real
    alone: Real
    reads: Real = Real(0.0)  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        if self.name == ALONE:
            raise ValueError(f"no gate can have the name {ALONE}, which stands for the target alone")
        if min(self.drafted, self.wasted, self.read, self.written, self.alone) < 0:
            raise ValueError(f"gate {self.name}: tokens cannot be fewer than none")

    @property
    def work(self) -> AnswerWork:
        """Its work per answer."""
        return AnswerWork(self.drafted, self.wasted, self.read, self.written, self.alone)


@dataclass(frozen=True, slots=True)
class TokenCosts:
    """Seconds a token takes where the pair runs: the draft to write, the target to read, the target to write."""

    drafting: float
    reading: float
    writing: float

    def seconds(self, work: AnswerWork) -> float:
        """Seconds of an answer with drafted steps, its prompt left out."""
        return work.drafted * self.drafting + work.read * self.reading + work.written * self.writing

    def speedup(self, work: AnswerWork) -> float:
        """The speed-up over the target alone."""
        seconds = self.seconds(work)
        return work.alone * self.writing / seconds if seconds else 1.0


class ChoiceReason(str, Enum):
    """Why a gate is used."""

    FASTEST = "fastest"  # of those that keep the promise, and the target alone, it takes least time here
    NONE_KEEPS = "none_keeps"  # no measured gate keeps the promise, so the target writes alone
    ASKED_FOR = "asked_for"  # the user named it


@dataclass(frozen=True, slots=True)
class GateChoice:
    """The gate that is used or, where `gate` is None, the target alone.

    `seconds` are predicted per answer, and `alone` those of the target alone. `is_measured`: by costs that were
    measured where the pair runs, and not estimated. `usual_tokens` is how many the target alone writes for an answer.
    """

    name: str
    gate: Gate | None
    seconds: float
    alone: float
    reason: ChoiceReason = ChoiceReason.FASTEST
    is_measured: bool = False
    usual_tokens: float = 0.0

    @property
    def speedup(self) -> float:
        """The predicted speed-up over the target alone."""
        return self.alone / self.seconds if self.seconds else 1.0


def fastest(gates: Iterable[MeasuredGate], costs: TokenCosts) -> MeasuredGate | None:
    """The gate that takes least time at these costs; the first of those that take the same, None of none."""
    return min(gates, key=lambda one: costs.seconds(one.work), default=None)


def choose(frontier: Sequence[MeasuredGate], bound: float, costs: TokenCosts) -> GateChoice:
    """What takes least time at these costs, among the gates that lose at most `bound` and the target alone."""
    alone = max((one.alone for one in frontier), default=0.0) * costs.writing
    best = fastest((one for one in frontier if one.bound <= bound), costs)
    if best is None:
        return GateChoice(ALONE, None, alone, alone, ChoiceReason.NONE_KEEPS)
    if costs.seconds(best.work) >= alone:
        return GateChoice(ALONE, None, alone, alone)
    return GateChoice(best.name, best.gate, costs.seconds(best.work), alone)
