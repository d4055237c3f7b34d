"""Intervals for what a benchmark counts and times: seeded, so that a table comes out the same again."""

from __future__ import annotations

import random
from collections.abc import Sequence
from statistics import NormalDist


def wilson(successes: int, count: int, confidence: float = 0.95) -> tuple[float, float]:
    """The Wilson score interval for a proportion, in 0..1; all of it for nothing counted.

    Source: E. B. Wilson, Journal of the American Statistical Association 22 (1927).
    """
    if count == 0:
        return 0.0, 1.0
    z = NormalDist().inv_cdf((1 + confidence) / 2)
    share, scale = successes / count, 1 + z * z / count
    middle = (share + z * z / (2 * count)) / scale
    reach = z / scale * (share * (1 - share) / count + (z / (2 * count)) ** 2) ** 0.5
    return max(0.0, middle - reach), min(1.0, middle + reach)


def ratio_interval(
    numerators: Sequence[float],
    denominators: Sequence[float],
    confidence: float = 0.95,
    seed: int = 0,
    draws: int = 2000,
) -> tuple[float, float, float]:
    """The ratio of two sums over the same problems, and its percentile bootstrap interval over problems."""
    pairs = list(zip(numerators, denominators, strict=True))
    rng = random.Random(seed)
    drawn = sorted(_ratio(rng.choices(pairs, k=len(pairs))) for _ in range(draws))
    tail = (1 - confidence) / 2
    return _ratio(pairs), drawn[int(tail * draws)], drawn[min(draws - 1, int((1 - tail) * draws))]


def _ratio(pairs: Sequence[tuple[float, float]]) -> float:
    return sum(one for one, _ in pairs) / sum(other for _, other in pairs)
