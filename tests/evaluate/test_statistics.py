"""What is said of counts and signals is right: known answers come back, and intervals hold what they promise."""

import math
import random
from statistics import NormalDist

import pytest

from confspec_cli.evaluate.statistics import (
    at,
    auroc,
    auroc_interval,
    brier,
    calibration_error,
    isotonic,
    logistic,
    ratio_interval,
    reliability,
    upper_bound,
    wilson,
)


def binormal(rng, distance, count):
    """Signals of wrong and right steps, normal and `distance` apart: their AUROC is known."""
    points = [(rng.gauss(distance * right, 1), right) for right in (rng.random() < 0.5 for _ in range(count))]
    return [value for value, right in points if right], [value for value, right in points if not right]


def promised(rng, true_share, count=20_000):
    """Probabilities, and whether each came true as often as `true_share` of it says."""
    return [(p, rng.random() < true_share(p)) for p in (rng.random() for _ in range(count))]


def test_an_error_of_calibration_that_was_built_in_comes_back():
    points = [(0.25, n < 5) for n in range(10)] + [(0.85, n < 6) for n in range(10)]  # 0.25 off, twice
    assert calibration_error(points) == pytest.approx(0.25)
    assert [(some.count, some.mean, some.share) for some in reliability(points)] == [
        (10, pytest.approx(0.25), 0.5),
        (10, pytest.approx(0.85), 0.6),
    ]
    assert brier(points) == pytest.approx((5 * 0.75**2 + 5 * 0.25**2 + 6 * 0.15**2 + 4 * 0.85**2) / 20)


def test_a_certain_signal_falls_into_the_last_bin():
    assert [some.count for some in reliability([(1.0, True), (0.95, True), (0.0, False)])] == [1, 2]


def test_an_auroc_that_was_built_in_comes_back():
    right, wrong = binormal(random.Random(1), 1.0, 2000)
    assert auroc(right, wrong) == pytest.approx(NormalDist().cdf(1 / math.sqrt(2)), abs=0.03)
    assert auroc([0.5, 0.9], [0.5, 0.1]) == (0.5 + 3) / 4
    assert auroc([0.5], []) is None


def test_a_signal_that_is_a_probability_and_one_that_lies_are_told_apart():
    rng = random.Random(2)
    honest, lying = promised(rng, lambda p: p, 4000), promised(rng, lambda p: 1 - p, 4000)
    assert calibration_error(honest) < 0.03
    assert calibration_error(lying) == pytest.approx(0.5, abs=0.03)

    def area(points):
        return auroc([p for p, right in points if right], [p for p, right in points if not right])

    assert area(honest) == pytest.approx(5 / 6, abs=0.02)
    assert area(lying) == pytest.approx(1 / 6, abs=0.02)


def test_isotonic_scaling_mends_what_is_too_sure_and_cannot_mend_what_lies():
    rng = random.Random(3)
    too_sure, unseen = promised(rng, lambda p: p**3), promised(rng, lambda p: p**3)
    curve = isotonic(too_sure)
    assert [value for _, value in curve] == sorted(value for _, value in curve)
    mended = [(at(curve, p), right) for p, right in unseen]
    assert calibration_error(unseen) > 0.2
    assert calibration_error(mended) < 0.03
    lying = isotonic(promised(rng, lambda p: 1 - p))
    assert max(value for _, value in lying) - min(value for _, value in lying) < 0.1  # it says nothing any more


def test_weights_that_were_built_in_come_back():
    rng = random.Random(4)
    points = []
    for _ in range(20_000):
        known = (rng.gauss(0, 2), rng.gauss(0, 1))
        odds = 0.5 + 1.0 * known[0] - 2.0 * known[1]
        points.append((known, rng.random() < 1 / (1 + math.exp(-odds))))
    assert logistic(points) == pytest.approx([0.5, 1.0, -2.0], abs=0.1)


def test_weights_stay_finite_where_one_outcome_never_came():
    assert all(math.isfinite(weight) for weight in logistic([((1.0,), True), ((2.0,), True)]))


@pytest.mark.parametrize("share", [0.02, 0.2, 0.6])
def test_the_upper_bound_on_a_share_is_above_it_as_often_as_promised(share):
    rng = random.Random(5)
    draws = [upper_bound(sum(rng.random() < share for _ in range(40)), 40, 0.9) for _ in range(1000)]
    assert sum(bound >= share for bound in draws) / 1000 >= 0.88
    assert upper_bound(0, 29, 0.95) == pytest.approx(1 - 0.05 ** (1 / 29))
    assert upper_bound(5, 5, 0.95) == 1.0


def test_the_interval_of_an_accuracy_holds_it_as_often_as_promised():
    rng = random.Random(6)
    held = 0
    for _ in range(1000):
        low, high = wilson(sum(rng.random() < 0.7 for _ in range(40)), 40)
        held += low <= 0.7 <= high
    assert 0.92 <= held / 1000 <= 0.98


def test_the_interval_of_a_speed_up_holds_it_as_often_as_promised():
    rng = random.Random(7)
    held = 0
    for draw in range(200):
        ours = [rng.lognormvariate(2, 0.5) for _ in range(40)]
        alone = [seconds * 1.4 * rng.lognormvariate(-0.045, 0.3) for seconds in ours]  # of mean 1.4
        _, low, high = ratio_interval(alone, ours, seed=draw)
        held += low <= 1.4 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_the_interval_of_an_auroc_holds_it_as_often_as_promised():
    rng = random.Random(8)
    known, held = NormalDist().cdf(1 / math.sqrt(2)), 0
    for draw in range(100):
        right, wrong = binormal(rng, 1.0, 60)
        groups = [[(value, True)] for value in right] + [[(value, False)] for value in wrong]
        interval = auroc_interval(groups, seed=draw, draws=200)
        assert interval is not None
        low, high = interval
        held += low <= known <= high
    assert held >= 86
