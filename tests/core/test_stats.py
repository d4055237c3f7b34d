"""Statistics: what is counted, over what, and where the time goes."""

import json
from dataclasses import replace

import pytest
from support.recorded_runs import Recorder, sample

from confspec_cli.core.events import RunFinished, StepJudged
from confspec_cli.core.gate import Decision
from confspec_cli.core.stats import RunStats, fold
from confspec_cli.core.trace import Author, Origin


@pytest.fixture
def stats():
    return fold(sample())


def test_steps_are_counted_by_origin(stats):
    assert stats.steps == {
        Origin.DRAFT: 2,
        Origin.ESCALATED: 1,
        Origin.TARGET: 1,
        Origin.SALVAGED: 0,
        Origin.INJECTED: 0,
    }


def test_every_rate_keeps_its_denominator(stats):
    assert (stats.accepted.part, stats.accepted.whole) == (2, 4)
    assert (stats.escalated.part, stats.escalated.whole) == (2, 4)
    assert (stats.accepted_by_target.part, stats.accepted_by_target.whole) == (1, 2)
    assert stats.accepted.share == 0.5


def test_a_dropped_draft_counts_as_wasted_and_not_as_written(stats):
    assert stats.wasted_tokens == 4
    assert stats.tokens == {Author.DRAFT: 9 + 13 + 6, Author.TARGET: 10}
    assert stats.target_share == pytest.approx(10 / 38)


def test_the_phases_add_up_to_the_whole_run(stats):
    assert stats.decode == {Author.DRAFT: 4 * 0.75, Author.TARGET: 1.75}
    assert stats.prefill == {Author.DRAFT: 4 * 0.25, Author.TARGET: 0.25}
    assert stats.verification == {Author.DRAFT: 0.5, Author.TARGET: 0.25}
    assert stats.accounted_seconds == stats.seconds == 6.75
    assert stats.verification_share == pytest.approx(0.75 / 6.75)
    assert stats.tokens_per_second == pytest.approx(38 / 6.75)


def test_a_run_without_judging_has_no_rates():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "42.")
    stats = fold(run.finish())
    assert stats.accepted.share is None
    assert stats.target_share == 1
    assert stats.decode[Author.DRAFT] == 0


def test_a_run_of_nothing_divides_by_nothing():
    stats = RunStats()
    assert (stats.target_share, stats.tokens_per_second, stats.verification_share) == (None, None, None)


def test_events_can_be_added_one_by_one_and_the_time_so_far_is_known():
    stats = RunStats()
    events = sample()
    for event in events[:-1]:
        stats.add(event)
    assert stats.seconds == stats.accounted_seconds
    stats.add(events[-1])
    assert stats == fold(events)


def test_statistics_are_ready_for_json(stats):
    record = json.loads(json.dumps(stats.to_dict()))
    assert record["steps"] == {
        "total": 4,
        "draft": 2,
        "escalated": 1,
        "target": 1,
        "salvaged": 0,
        "injected": 0,
        "undrafted": 0,
    }
    assert record["verified_by_draft"] == {"steps": 4, "accept": 2, "escalate": 2, "reject": 0}
    assert record["verified_by_target"] == {"steps": 2, "accept": 1, "reject": 1}
    assert record["tokens"]["wasted"] == 4
    assert set(record["seconds"]) > {"total", "draft_verification", "target_prefill"}


def test_a_decision_of_the_target_is_not_counted_as_one_of_the_draft(stats):
    assert stats.target_decisions[Decision.REJECT] == 1
    assert stats.draft_decisions[Decision.REJECT] == 0


def test_the_speedup_is_the_target_s_own_pace_and_prompt_over_the_time_of_the_run(stats):
    pace = 1.75 / 9  # ten tokens are nine intervals
    assert stats.estimated_speedup == pytest.approx(38 * pace / 6.75)
    stats.prompt_seconds = 3.0
    assert stats.estimated_speedup == pytest.approx((3.0 + 38 * pace) / 6.75)
    assert stats.to_dict()["estimated_speedup"] == stats.estimated_speedup


def test_of_the_target_s_first_prefill_only_the_prompt_counts_as_its_own():
    events = sample()
    reads = [
        replace(event, assessment=replace(event.assessment, prefill_seconds=2.0, prefill_tokens=36))
        if isinstance(event, StepJudged) and event.assessment.by is Author.TARGET
        else event
        for event in events
    ]
    assert fold(reads).prompt_seconds == pytest.approx(2.0 * (36 - 9) / 36)  # step 1 has nine tokens


@pytest.mark.parametrize("writes", ["", "42.", "It is 42, I say."])
def test_where_the_target_wrote_too_little_to_show_its_pace_there_is_no_speedup(writes):
    run = Recorder()
    run.draft("Six times seven is what we want to know about here.\n\n")
    if writes:
        run.target("It is 44.", writes)
    assert fold(run.finish()).estimated_speedup is None


def test_where_nothing_was_drafted_there_is_no_speedup():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "It is 42, as everybody knows who has ever added up six sevens.")
    assert fold(run.finish()).estimated_speedup is None


def test_where_a_step_was_cut_off_there_is_no_speedup():
    *events, finished = sample()
    assert isinstance(finished, RunFinished)
    assert fold([*events, replace(finished, partial="Half a")]).estimated_speedup is None
