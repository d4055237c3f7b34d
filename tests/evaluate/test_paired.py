"""Modes held against each other problem by problem, and said of it no more than that shows."""

import json
import random
from dataclasses import replace

import pytest

from confspec_cli.core.events import RunFinished
from confspec_cli.core.stats import Rate
from confspec_cli.core.trace import FinishReason
from confspec_cli.evaluate.comparison_words import in_words
from confspec_cli.evaluate.paired import Comparison, compare, mcnemar, paired_difference
from confspec_cli.evaluate.results import Conditions, Results, Run
from confspec_cli.evaluate.statistics import Interval
from confspec_cli.evaluate.summary import summarise
from confspec_cli.evaluate.tables import Layout, shown, summary_text, tables, turned


def run(problem, mode, correct, seconds=1.0):
    return Run(problem, mode, correct, "test", (RunFinished(FinishReason.STOP, "", "", None, seconds),))


def results(**right):
    """Runs of modes, given by a letter a problem: right, wrong, or not graded."""
    marks = {"r": True, "w": False, "-": None}
    runs = [
        run(f"p{n}", mode.replace("_", "+"), marks[mark], 2.0 if mode == "target" else 1.0)
        for mode, letters in right.items()
        for n, mark in enumerate(letters)
    ]
    return Results([Conditions("some", {}, {})], runs)


def compared(**right):
    held = results(**right)
    return compare(list(held.finished().values()), held.modes, ("target", "target+auto"))


def test_a_mode_with_as_many_right_answers_to_other_problems_has_won_some_and_lost_some():
    (one,) = compared(target="rrww-", draft="wrrw-")
    assert (one.mode, one.reference, one.graded) == ("draft", "target", 4)
    assert (one.won, one.lost) == (("p2",), ("p0",))
    assert one.difference.value == 0
    assert one.difference.high == pytest.approx(-one.difference.low)
    assert one.difference.high > 0.5, "four problems say little"
    assert one.p == 1
    assert one.speedup == Interval(2.0, 2.0, 2.0)


def test_every_mode_is_held_against_every_reference_once():
    found = [(one.mode, one.reference) for one in compared(target="r", draft="r", target_auto="r")]
    assert found == [("draft", "target"), ("target+auto", "target"), ("draft", "target+auto")]
    assert compared(draft="r", confspec="r") == []


def test_nothing_is_said_of_right_answers_where_nothing_was_graded():
    (one,) = compared(target="--", draft="--")
    assert one.difference is None
    assert one.p is None
    assert in_words(one) == "`draft` is faster than `target`, 2.00 [2.00, 2.00] times."


@pytest.mark.parametrize(("won", "lost", "p"), [(0, 0, 1.0), (5, 5, 1.0), (0, 5, 0.0625), (10, 2, 0.0386), (1, 0, 1.0)])
def test_mcnemar_is_a_fair_coin_tossed_for_every_turned_problem(won, lost, p):
    assert mcnemar(won, lost) == pytest.approx(p, abs=1e-4)
    assert mcnemar(lost, won) == mcnemar(won, lost)


def test_mcnemar_rejects_equal_modes_no_more_often_than_it_says():
    rng = random.Random(3)
    rejected = 0
    for _ in range(2000):
        won = sum(rng.random() < 0.5 for _ in range(20))
        rejected += mcnemar(won, 20 - won) < 0.05
    assert rejected / 2000 < 0.06


def test_no_turned_problem_is_no_certainty():
    interval = paired_difference(0, 0, 40)
    z = 1.959964
    assert interval.value == 0
    assert interval.high == pytest.approx(z * z / (40 + z * z), abs=1e-6)
    assert interval.low == pytest.approx(-interval.high, abs=1e-9)


@pytest.mark.parametrize(
    ("better", "worse", "count"), [(0.05, 0.05, 40), (0.1, 0.3, 20), (0.02, 0.1, 40), (0.0, 0.1, 40)]
)
def test_the_interval_holds_the_true_difference_as_often_as_it_says(better, worse, count):
    rng = random.Random(1)
    inside = 0
    for _ in range(1000):
        draws = [rng.random() for _ in range(count)]
        won, lost = sum(u < better for u in draws), sum(better <= u < better + worse for u in draws)
        interval = paired_difference(won, lost, count)
        inside += interval.low <= better - worse <= interval.high
    assert 0.935 < inside / 1000 < 0.99


def test_the_words_claim_a_difference_only_where_the_exact_test_finds_one():
    def said(won, lost, speed):
        ids = [f"p{n}" for n in range(won + lost)]
        difference = paired_difference(won, lost, 20)
        return in_words(
            Comparison(
                "confspec", "target", 20, tuple(ids[:won]), tuple(ids[won:]), difference, mcnemar(won, lost), speed
            )
        )

    fast, same, slow = Interval(1.4, 1.1, 1.8), Interval(1.0, 0.9, 1.1), Interval(0.5, 0.4, 0.9)
    assert "is faster than `target`, 1.40 [1.10, 1.80] times; gets more right: +40.0 [" in said(8, 0, fast)
    assert "is slower than `target`, 0.50 [0.40, 0.90] of its speed; gets fewer right: -40.0 [" in said(0, 8, slow)
    close = said(0, 5, same)  # its interval is below 0 and its p is not below 0.05
    assert "shows no clear difference in speed from `target`" in close
    assert "these problems show no clear difference in right answers: -25.0 [" in close
    assert "(0 won and 5 lost of 20, p 0.062)" in close
    for text in (said(0, 0, same), close):
        assert "as right" not in text


def test_the_table_has_the_paired_difference_and_names_the_controls_that_were_not_run():
    text = summary_text(summarise(results(target="rrww", draft="wrrw", confspec="rrww")), Layout.TEXT)
    assert "controls that were not run: target+auto;" in text
    (row,) = [line for line in text.splitlines() if line.startswith("draft ") and " target " in line]
    assert row.split()[:5] == ["draft", "target", "1", "1", "+0.0"]
    everything = results(target="r", draft="r", target_auto="r", random="r")
    assert "not run" not in summary_text(summarise(everything), Layout.TEXT)


def test_acceptance_by_chance_is_a_control_only_of_a_gate_by_which_something_was_drafted():
    summary = summarise(results(target="rr", draft="rr", target_auto="rr", confspec_auto="rr"))
    *others, gated = summary.rows
    assert summary.missing_controls == []
    drafted = replace(summary, rows=[*others, replace(gated, stood=Rate(1, 2))])
    assert drafted.missing_controls == ["random"]


def test_json_holds_the_problems_that_turned():
    summary = summarise(results(target="rrww", draft="wrrw"))
    record = json.loads(summary_text(summary, Layout.JSON))
    assert record["comparisons"][0]["won"] == ["p2"]
    assert record["comparisons"][0]["lost"] == ["p0"]
    assert record["missing_controls"] == ["target+auto"]
    assert shown([turned(summary)], Layout.CSV) == "mode,against,won,lost\ndraft,target,p2,p0\n"


def test_results_without_a_target_have_no_paired_table():
    assert not [table for table in tables(summarise(results(draft="rw"))) if table.title.startswith("paired")]
