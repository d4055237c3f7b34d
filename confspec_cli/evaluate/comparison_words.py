"""How a comparison of two modes is written: in figures, and in sentences that claim no more than the intervals do."""

from __future__ import annotations

from confspec_cli.evaluate.paired import Comparison
from confspec_cli.evaluate.statistics import Interval

_CLEAR = 0.05  # a p below which a difference in right answers is called one


def points(one: Comparison) -> str:
    """The difference in right answers and its interval, in percentage points."""
    if one.difference is None:
        return "-"
    points = (f"{100 * value:+.1f}" for value in (one.difference.value, one.difference.low, one.difference.high))
    return "{} [{}, {}]".format(*points)


def factor(interval: Interval | None) -> str:
    """A ratio and its interval."""
    return f"{interval.value:.2f} [{interval.low:.2f}, {interval.high:.2f}]" if interval else "-"


def in_words(one: Comparison) -> str:
    """A comparison in a sentence, which claims no more than its intervals do."""
    times = factor(one.speedup)
    if one.speedup.low > 1:
        speed = f"is faster than `{one.reference}`, {times} times"
    elif one.speedup.high < 1:
        speed = f"is slower than `{one.reference}`, {times} of its speed"
    else:
        speed = f"shows no clear difference in speed from `{one.reference}` ({times})"
    if one.difference is None or one.p is None:
        return f"`{one.mode}` {speed}."
    turned_count = f"{len(one.won)} won and {len(one.lost)} lost of {one.graded}, p {one.p:.3f}"
    if one.p < _CLEAR:
        right = f"gets {'more' if one.difference.value > 0 else 'fewer'} right"
    else:
        right = "these problems show no clear difference in right answers"
    return f"`{one.mode}` {speed}; {right}: {points(one)} points ({turned_count})."
