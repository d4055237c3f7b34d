"""The closed form of the gain, and runs by a clock that come near to it."""

import random

import pytest
from support.clocked_engine import clocked_run

from confspec_cli.core.speed_model import AnswerWork, with_draft_right
from confspec_cli.core.stats import fold

RATIO, PRICE, COUNT = 6.0, 0.03, 50


def seconds(events):
    return fold(events).seconds


@pytest.mark.parametrize("seed", range(3))
def test_a_run_whose_draft_is_right_four_times_in_five_comes_within_a_tenth_of_the_closed_form(seed):
    wrong = set(random.Random(seed).sample(range(COUNT), COUNT // 5))
    alone = seconds(clocked_run("target", COUNT, wrong, RATIO, PRICE))
    steps = clocked_run("confspec", COUNT, wrong, RATIO, PRICE)
    limit = with_draft_right(0.8, 1.0).speedup(RATIO, PRICE)
    assert limit == pytest.approx(1 / (0.2 + 1 / 6 + 0.03))
    # To be compared with, the target writes one step that is not drafted; that may be one of the wrong ones.
    assert 0.9 * limit <= alone / seconds(steps) <= 1.02 * limit


def test_at_its_crossings_the_speed_up_is_one():
    work = AnswerWork(drafted=209, wasted=73, read=190, written=52, alone=134)
    assert work.speedup(6, 0.03) == pytest.approx(134 / (52 + 209 / 6 + 190 * 0.03))
    ratio, price = work.lowest_ratio(0.03), work.highest_price(6)
    assert ratio is not None and price is not None
    assert work.speedup(ratio, 0.03) == pytest.approx(1)
    assert work.speedup(6, price) == pytest.approx(1)


def test_where_nothing_could_make_steps_pay_there_is_no_crossing():
    work = AnswerWork(drafted=200, wasted=100, read=200, written=150, alone=140)
    assert work.lowest_ratio(0.01) is None and work.highest_price(100) is None
