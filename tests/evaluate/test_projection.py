"""Summaries and projections of runs that are made up of work: figures that add up."""

import csv
import io
import json
import random
from dataclasses import replace

import pytest
from support.scripted_bench import results_of

from confspec_cli.core.events import Event, RunFinished, StepJudged, StepWritten
from confspec_cli.core.gate import Decision
from confspec_cli.core.trace import Assessment, Author, FinishReason, Likelihood, WrittenStep
from confspec_cli.errors import UsageError
from confspec_cli.evaluate import costs
from confspec_cli.evaluate.costs import Cost, WorkKind, measured, seconds_at, work_of
from confspec_cli.evaluate.projection import projection
from confspec_cli.evaluate.results import Run
from confspec_cli.evaluate.summary import summarise
from confspec_cli.evaluate.tables import Layout, difference, summary_text


def run(mode, seconds, correct=True, work=(), problem="p"):
    """A run made up of work: author, kind, tokens, seconds."""
    events: list[Event] = []
    for author, kind, tokens, took in work:
        if kind is WorkKind.DECODE:
            events.append(StepWritten(1, WrittenStep(author, "", tokens, False, None, took, 0.0)))
        else:
            assessment = Assessment(author, None, Likelihood(-1, -2, 1, 1), took, 0.0, tokens)
            events.append(StepJudged(1, assessment, Decision.ACCEPT, 0.9, 0.8))
    return Run(problem, mode, correct, "test", (*events, RunFinished(FinishReason.STOP, "", "", None, seconds)))


def test_costs_are_found_again_in_the_work_they_were_made_with():
    rng = random.Random(1)
    work = [(Author.DRAFT, WorkKind.DECODE, n, 0.03 * n) for n in (5, 50, 20)]
    work += [(Author.TARGET, WorkKind.JUDGE, n, 0.2 + 0.004 * n) for n in rng.sample(range(10, 200), 30)]
    one = run("confspec", 1.0, work=work)
    found = measured([one])
    assert found[Author.DRAFT, WorkKind.DECODE].per_token == pytest.approx(0.03)
    assert found[Author.TARGET, WorkKind.JUDGE].fixed == pytest.approx(0.2)
    assert found[Author.TARGET, WorkKind.JUDGE].per_token == pytest.approx(0.004)
    assert seconds_at(found, one) == pytest.approx(sum(piece.seconds or 0.0 for piece in work_of(one)))
    assert costs.from_dict(costs.to_dict(found), "it") == found


def test_a_projection_is_labelled_and_follows_the_costs():
    runs = [
        run("target", 10.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 10.0)]),
        run("draft", 2.0, work=[(Author.DRAFT, WorkKind.DECODE, 100, 2.0)]),
    ]
    results = results_of(runs)
    dear = {(Author.TARGET, WorkKind.DECODE): Cost(0, 1.0), (Author.DRAFT, WorkKind.DECODE): Cost(0, 0.1)}
    told = json.loads(projection(summarise(results), results, dear, Layout.JSON))
    assert [row["projected s/problem"] for row in told["projection"]] == ["100.00", "10.00"]
    assert [row["projected speed-up"] for row in told["projection"]] == ["1.00", "10.00"]
    assert "projection, not a measurement" in projection(summarise(results), results, None, Layout.TEXT)
    with pytest.raises(UsageError, match=r"lack draft\.decode"):
        projection(summarise(results), results, {(Author.TARGET, WorkKind.DECODE): Cost(0, 1.0)}, Layout.TEXT)


def test_a_projection_tells_from_which_costs_on_steps_pay():
    work = [
        (Author.DRAFT, WorkKind.DECODE, 200, 20.0),
        (Author.TARGET, WorkKind.JUDGE, 200, 12.0),
        (Author.TARGET, WorkKind.DECODE, 50, 15.0),
    ]
    alone = run("target", 30.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 30.0)])
    results = results_of([alone, run("confspec", 47.0, work=work)])
    told = projection(summarise(results), results, None, Layout.TEXT)
    assert "the cost ratio is 3.00, the reading price 0.200" in told
    rows = {
        row["steps"]: row for row in json.loads(projection(summarise(results), results, None, Layout.JSON))["crossing"]
    }
    assert list(rows) == ["confspec", "draft right 60%", "draft right 80%", "draft right 95%"]
    assert [rows["confspec"][name] for name in ("drafted", "read", "written", "alone")] == ["200", "200", "50", "100"]
    assert rows["confspec"]["speed-up"] == f"{100 / (50 + 200 / 3 + 200 * 0.2):.2f}"
    assert (rows["confspec"]["pay above ratio"], rows["confspec"]["pay below price"]) == ("20.00", "never")
    assert rows["draft right 80%"]["pay above ratio"] == f"{1 / (1 - 0.2 - 0.2):.2f}"
    slow = costs.from_dict(
        {
            "draft": {"decode": {"fixed": 0, "per_token": 0.01}},
            "target": {"decode": {"fixed": 0, "per_token": 1}, "judge": {"fixed": 0, "per_token": 0.01}},
        },
        "it",
    )
    assert "the cost ratio is 100.00, the reading price 0.010" in projection(
        summarise(results), results, slow, Layout.TEXT
    )


def test_without_steps_or_without_the_target_alone_a_projection_tells_no_crossing():
    alone = run("target", 30.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 30.0)])
    draft = run("draft", 10.0, work=[(Author.DRAFT, WorkKind.DECODE, 100, 10.0)])
    for runs in ([alone], [alone, draft], [draft]):
        results = results_of(runs)
        assert json.loads(projection(summarise(results), results, None, Layout.JSON))["crossing"] == []


def test_a_summary_counts_only_problems_every_mode_was_tried_on():
    runs = [
        *(run("target", 10.0, problem=f"p{n}", correct=n != 0) for n in range(4)),
        *(run("draft", 4.0, problem=f"p{n}", correct=n < 2) for n in range(3)),
    ]
    summary = summarise(results_of(runs))
    target, draft = summary.rows
    assert summary.problems == 3
    assert (target.correct.part, target.correct.whole, draft.correct.part) == (2, 3, 2)
    assert draft.speedup.value == pytest.approx(2.5)
    assert target.speedup is None
    assert draft.median == 4.0


def test_what_failed_is_left_out_of_differences_and_projections():
    work = [(Author.TARGET, WorkKind.DECODE, 100, 10.0)]
    good = [run("target", 10.0, work=work, problem=f"p{n}") for n in range(3)]
    failed = replace(good[2], correct=None, events=(), error="It broke.")
    broken = results_of([*good[:2], failed])
    assert [row["problems"] for row in difference(results_of(good), broken).records()] == ["2"]
    assert not difference(results_of([failed]), results_of([failed])).rows
    (row,) = json.loads(projection(summarise(broken), broken, None, Layout.JSON))["projection"]
    assert (row["projected s/problem"], row["measured s/problem"]) == ("10.00", "10.00")
    assert "0 problems (1 more left out" in summary_text(summarise(results_of([failed])), Layout.TEXT)


def test_how_far_a_mode_is_from_its_limits_stands_in_every_layout_though_nothing_was_drafted():
    runs = [
        run("target", 10.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 10.0)]),
        run("draft", 4.0, work=[(Author.DRAFT, WorkKind.DECODE, 100, 4.0)]),
        run("confspec", 10.0, work=[(Author.TARGET, WorkKind.DECODE, 100, 10.0)]),
    ]
    summary = summarise(results_of(runs))
    assert (summary.limits["confspec"].accepted, summary.limits["confspec"].reached) == (2.5, 0.4)
    assert "40 %" in summary_text(summary, Layout.TEXT)
    rows = {row["mode"]: row for row in csv.DictReader(io.StringIO(summary_text(summary, Layout.CSV)))}
    assert (rows["confspec"]["limits_accepted"], rows["target"]["limits_accepted"]) == ("2.5", "")
