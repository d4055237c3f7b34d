"""Modes held against a reference problem by problem: the same problems, so that what is hard for both cancels out.

Knows runs and arithmetic; refuses to know how a figure is drawn.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import NormalDist

from confspec_cli.evaluate.results import Run
from confspec_cli.evaluate.statistics import Interval, ratio_interval


@dataclass(frozen=True, slots=True)
class Comparison:
    """A mode against a reference on the problems both solved.

    `won` are the graded problems that the mode got right and the reference did not, `lost` the other way round.
    `difference` is that of the shares of right answers, in -1..1, `p` that of McNemar's exact test; both None where
    nothing was graded. `speedup` is the reference's time over the mode's.
    """

    mode: str
    reference: str
    graded: int
    won: tuple[str, ...]
    lost: tuple[str, ...]
    difference: Interval | None
    p: float | None
    speedup: Interval


def compare(complete: Sequence[Mapping[str, Run]], modes: Sequence[str], references: Sequence[str]) -> list[Comparison]:
    """Every mode against every reference that was run, reference by reference, and no two the same way round twice."""
    present = [reference for reference in references if reference in modes]
    return [
        _compared(mode, reference, complete)
        for n, reference in enumerate(present)
        for mode in modes
        if mode not in present[: n + 1]
    ]


def _compared(mode: str, reference: str, complete: Sequence[Mapping[str, Run]]) -> Comparison:
    pairs = [(runs[mode], runs[reference]) for runs in complete]
    graded = [(one, other) for one, other in pairs if one.correct is not None and other.correct is not None]
    won = tuple(one.problem for one, other in graded if one.correct and not other.correct)
    lost = tuple(one.problem for one, other in graded if other.correct and not one.correct)
    return Comparison(
        mode,
        reference,
        len(graded),
        won,
        lost,
        paired_difference(len(won), len(lost), len(graded)) if graded else None,
        mcnemar(len(won), len(lost)) if graded else None,
        Interval(*ratio_interval([other.seconds for _, other in pairs], [one.seconds for one, _ in pairs])),
    )


def mcnemar(won: int, lost: int) -> float:
    """The two-sided p of McNemar's exact test: how often a fair coin divides the turned problems at least so unevenly.

    Source: Q. McNemar, Psychometrika 12 (1947); exact over the binomial distribution.
    """
    turned = won + lost
    tail = sum(math.comb(turned, k) for k in range(min(won, lost) + 1))
    return min(1.0, tail / (1 << turned) * 2)


def paired_difference(won: int, lost: int, count: int, confidence: float = 0.95) -> Interval:
    """The difference of two shares over the same problems, and Tango's score interval for it.

    A bootstrap of the differences would say "0, surely" where no problem turned; this one says what so few can say.
    Source: T. Tango, Statistics in Medicine 17 (1998).
    """
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    value = (won - lost) / count
    low = _crossing(lambda delta: _score(won, lost, count, delta) - z, -1.0, value)
    high = _crossing(lambda delta: _score(won, lost, count, delta) + z, value, 1.0)
    return Interval(value, low, high)


def _score(won: int, lost: int, count: int, delta: float) -> float:
    """Tango's statistic for a true difference of `delta`: normal if it is that; it falls as `delta` rises."""
    b = -won - lost + (2 * count - won + lost) * delta
    c = -lost * delta * (1 - delta)
    share = (math.sqrt(max(b * b - 8 * count * c, 0.0)) - b) / (4 * count)
    spread = count * (2 * share + delta * (1 - delta))
    return (won - lost - count * delta) / math.sqrt(spread) if spread > 1e-12 else 0.0


def _crossing(function: Callable[[float], float], low: float, high: float) -> float:
    """Where a falling function crosses zero, by bisection."""
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if function(middle) > 0 else (low, middle)
    return (low + high) / 2
