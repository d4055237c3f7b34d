"""What can be said of counts, times and signals, and how surely; seeded, so that a table comes out the same again."""

from __future__ import annotations

import functools
import math
import random
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate and its 95 % interval."""

    value: float
    low: float
    high: float


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


@functools.cache
def upper_bound(failures: int, count: int, confidence: float) -> float:
    """The Clopper-Pearson upper bound on a probability, one-sided: at most this, with that confidence.

    Source: C. J. Clopper and E. S. Pearson, Biometrika 26 (1934). Assumes independent trials of one probability.
    """
    if failures >= count:
        return 1.0
    low, high = failures / count, 1.0
    for _ in range(40):
        middle = (low + high) / 2
        at_most = math.fsum(_binomial(k, count, middle) for k in range(failures + 1))
        low, high = (middle, high) if at_most > 1 - confidence else (low, middle)
    return high


def _binomial(k: int, count: int, p: float) -> float:
    """The probability of k of `count`, without numbers too large to hold."""
    ways = math.lgamma(count + 1) - math.lgamma(k + 1) - math.lgamma(count - k + 1)
    return math.exp(ways + k * math.log(p) + (count - k) * math.log1p(-p))


def auroc(right: Sequence[float], wrong: Sequence[float]) -> float | None:
    """Probability that a right one has the higher signal, ties counted half; 0.5 is no information, None unknown."""
    pairs, below = len(right) * len(wrong), sorted(wrong)
    wins = sum(bisect_left(below, value) + bisect_right(below, value) for value in right) / 2
    return wins / pairs if pairs else None


def auroc_interval(
    groups: Sequence[Sequence[tuple[float, bool]]], confidence: float = 0.95, seed: int = 0, draws: int = 500
) -> tuple[float, float] | None:
    """A bootstrap interval for `auroc` over groups of (signal, is right): what belongs together is drawn together."""
    rng = random.Random(seed)
    drawn = []
    for _ in range(draws):
        points = [point for group in rng.choices(groups, k=len(groups)) for point in group]
        area = auroc([value for value, right in points if right], [value for value, right in points if not right])
        if area is not None:
            drawn.append(area)
    if len(drawn) < draws / 2:
        return None
    drawn.sort()
    tail = (1 - confidence) / 2
    return drawn[int(tail * len(drawn))], drawn[min(len(drawn) - 1, int((1 - tail) * len(drawn)))]


def brier(points: Sequence[tuple[float, bool]]) -> float:
    """The mean squared distance of probabilities from what came true; 0 is perfect."""
    return math.fsum((p - right) ** 2 for p, right in points) / len(points)


@dataclass(frozen=True, slots=True)
class Bin:
    """The points whose probability lies from `low` up to `high`: their mean, and the share that came true."""

    low: float
    high: float
    count: int
    mean: float
    share: float


def reliability(points: Sequence[tuple[float, bool]], bins: int = 10) -> list[Bin]:
    """The reliability diagram, by bins of equal width; empty ones are left out."""
    made = []
    for n in range(bins):
        low, high = n / bins, (n + 1) / bins
        inside = [(p, right) for p, right in points if low <= p < high or (n == bins - 1 and p == 1)]
        if inside:
            mean = math.fsum(p for p, _ in inside) / len(inside)
            made.append(Bin(low, high, len(inside), mean, sum(right for _, right in inside) / len(inside)))
    return made


def calibration_error(points: Sequence[tuple[float, bool]], bins: int = 10) -> float:
    """The expected calibration error (ECE) over bins of equal width."""
    return math.fsum(one.count * abs(one.mean - one.share) for one in reliability(points, bins)) / len(points)


def isotonic(points: Sequence[tuple[float, bool]]) -> list[tuple[float, float]]:
    """The rising step function nearest to the points, by pooling adjacent violators: from each signal on, its value."""
    pools: list[list[float]] = []  # signal it begins at, sum, count
    for signal, right in sorted(points):
        pools.append([signal, float(right), 1.0])
        while len(pools) > 1 and (
            pools[-2][0] == pools[-1][0] or pools[-2][1] / pools[-2][2] >= pools[-1][1] / pools[-1][2]
        ):
            _, total, count = pools.pop()
            pools[-1][1] += total
            pools[-1][2] += count
    return [(signal, total / count) for signal, total, count in pools]


def at(steps: Sequence[tuple[float, float]], signal: float) -> float:
    """The value of a step function at a signal."""
    return next((value for start, value in reversed(steps) if signal >= start), steps[0][1])


def logistic(points: Sequence[tuple[Sequence[float], bool]], strength: float = 1.0) -> list[float]:
    """Logistic regression by Newton's method: the bias and a weight a feature, held small by a ridge of `strength`.

    The bias is not held, but keeps the weights finite where one outcome never came.
    """
    import numpy as np  # noqa: PLC0415 - slow to import

    x = np.array([[1.0, *features] for features, _ in points])
    y = np.array([float(right) for _, right in points])
    ridge = np.diag([1e-3, *[strength] * (x.shape[1] - 1)])
    weights = np.zeros(x.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-np.clip(x @ weights, -30, 30)))
        curvature = (x.T * (p * (1 - p))) @ x + ridge
        step = np.linalg.solve(curvature, x.T @ (y - p) - ridge @ weights)
        weights += step
        if abs(step).max() < 1e-9:
            break
    return [float(weight) for weight in weights]
