"""Who writes next: drafting is turned off where it does not pay, and another run may try it again."""

import itertools
import random
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from support.small_runs import PROMPT, config, play, steps

from confspec_cli.core.events import (
    DraftingSwitched,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepJudged,
    StepWritten,
)
from confspec_cli.core.gate import Decision
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Assessment, Author, Cause, FinishReason, Origin, Step, WrittenStep
from confspec_cli.engines.scripted import CARD, ScriptedEngine

TOKENS = 40  # of a step
TARGET_TOKEN, DRAFT_TOKEN, JUDGING = 0.080, 0.036, 0.4  # seconds, as a processor with two cores has them
CARDS = {"draft": CARD, "target": CARD}


def written(author, seconds, n=1, prefill=0.0):
    return StepWritten(n, WrittenStep(author, "", TOKENS, False, None, seconds + prefill, prefill))


def answer(drafting, steps, is_right=lambda n: True, draft_token=DRAFT_TOKEN, rambles=0, prompt=0.0):
    """Seconds of one answer, and the steps of it that were drafted; the target alone writes `steps`.

    `is_right` tells of each drafted step. A draft that stands at the end goes on for `rambles` steps more, until the
    target writes one, which ends the answer.
    """
    drafting.add(RunStarted("?", "", "confspec", CARDS, {}))
    total, drafted, n = 0.0, [], 0
    while n < steps + rambles:
        n += 1
        drafting.switch_if_due()
        origin = Origin.TARGET
        if drafting.drafts and not drafting.needs_probe:
            drafted.append(n)
            read = prompt if n == 1 else 0.0
            total += TOKENS * draft_token + JUDGING + read
            drafting.add(written(Author.DRAFT, TOKENS * draft_token, n, read))
            decision = Decision.ACCEPT if is_right(n) else Decision.REJECT
            drafting.add(StepJudged(n, Assessment(Author.TARGET, None, None, JUDGING), decision, 0.5, 0.5))
            origin = Origin.ESCALATED if is_right(n) else Origin.TARGET
        ends = origin is Origin.TARGET and n > steps  # it has nothing to add
        if origin is Origin.TARGET and not ends:
            total += TOKENS * TARGET_TOKEN
            drafting.add(written(Author.TARGET, TOKENS * TARGET_TOKEN, n))
        drafting.add(StepCommitted(Step(n, origin, "", 0 if ends else TOKENS, ends, 0.0)))
        if ends:
            break
    drafting.add(RunFinished(FinishReason.STOP, "", "", None, total, None))
    return total, drafted


def session(drafting, answers, steps, **regime):
    """Seconds of so many answers over those of the target alone, and the steps that were drafted in each."""
    done = [answer(drafting, steps, **regime) for _ in range(answers)]
    return sum(seconds for seconds, _ in done) / (answers * steps * TOKENS * TARGET_TOKEN), [one for _, one in done]


REGIMES: dict[str, dict[str, Any]] = {
    "always rejected": {"is_right": lambda n: False},
    "often rejected": {"is_right": lambda n: n % 3 == 0},
    "accepted, but slow": {"draft_token": 0.1},
    "right, but rambling": {"rambles": 12},
    "right, then always wrong": {"is_right": lambda n: n < 2},
    "right, with a long prompt": {"prompt": 8.0},
}


@pytest.mark.parametrize("regime", REGIMES)
@pytest.mark.parametrize(("answers", "steps"), [(60, 3), (12, 15), (1, 180)])
@pytest.mark.parametrize("worth_drafting", [True, False])
def test_drafting_that_does_not_pay_costs_at_most_a_thirtieth_of_the_target_s_time(
    regime, answers, steps, worth_drafting
):
    drafting = AdaptiveDrafting(worth_drafting, usual_tokens=steps * TOKENS)
    ratio, drafted = session(drafting, answers, steps, **REGIMES[regime])
    assert ratio <= 1.03
    assert any(drafted) or not worth_drafting


@pytest.mark.parametrize("regime", REGIMES)
def test_it_would_cost_more_if_every_step_were_drafted(regime):
    assert session(AdaptiveDrafting(active=False), 60, 3, **REGIMES[regime])[0] > 1.03


def test_a_draft_that_mostly_pays_is_kept():
    right = random.Random(5)
    ratio, drafted = session(AdaptiveDrafting(), 60, 8, is_right=lambda n: right.random() < 0.8)
    assert ratio < 0.85
    assert sum(map(len, drafted)) > 0.9 * 60 * 8
    assert session(AdaptiveDrafting(), 10, 10)[0] < 0.65


def test_within_a_run_drafting_is_turned_off_for_good_and_another_run_may_begin_with_it():
    drafting = AdaptiveDrafting()
    _, first = answer(drafting, 300, is_right=lambda n: n > 4)
    assert first == [1, 2]
    _, second = answer(drafting, 300, is_right=lambda n: n > 4)
    assert second == [1, 2]


def test_a_pair_known_not_to_pay_begins_with_the_target_and_is_tried_once_in_a_while():
    drafting = AdaptiveDrafting(worth_drafting=False)
    assert not drafting.drafts
    _, drafted = session(drafting, 120, 3, is_right=lambda n: False)
    tried = [n for n, one in enumerate(drafted) if one]
    assert tried and tried[0] > 20 and all(later - sooner > 5 for sooner, later in pairwise(tried))
    _, drafted = session(AdaptiveDrafting(worth_drafting=False), 120, 3)
    assert all(len(one) == 3 for one in drafted[60:])  # and kept if it pays after all


def test_a_choice_that_is_final_is_never_tried():
    _, drafted = session(AdaptiveDrafting(worth_drafting=False, final=True), 200, 3)
    assert not any(drafted)


def test_the_target_s_own_answers_show_how_long_they_are():
    drafting = AdaptiveDrafting()
    assert session(drafting, 10, 3, rambles=12)[0] > 1.5  # nobody knows that the target would have ended
    drafting = AdaptiveDrafting(worth_drafting=False)
    assert session(drafting, 100, 3, rambles=12)[0] < 1.03


def test_one_that_is_not_active_always_drafts():
    _, drafted = answer(AdaptiveDrafting(worth_drafting=False, active=False), 10, is_right=lambda n: False)
    assert drafted == list(range(1, 11))


def test_a_draft_whose_steps_all_stand_is_held_against_one_step_that_the_target_writes_for_that():
    assert answer(AdaptiveDrafting(), 20)[1] == [1, 2, *range(4, 21)]
    assert answer(AdaptiveDrafting(), 20, draft_token=0.2)[1] == [1, 2]


def test_where_the_target_s_pace_was_measured_before_it_writes_a_step_only_if_drafting_seems_slow():
    assert answer(AdaptiveDrafting(pace=TARGET_TOKEN), 20)[1] == list(range(1, 21))
    assert answer(AdaptiveDrafting(pace=TARGET_TOKEN), 20, draft_token=0.2)[1] == [1]
    busy = AdaptiveDrafting(pace=TARGET_TOKEN / 4)  # than the machine is now
    assert answer(busy, 20)[1] == [1, *range(3, 21)]


def test_where_drafting_does_not_pay_the_target_writes_alone_and_says_so():
    many = [f"This is draft number {n} of many.\n\n" for n in range(56)]
    better = [f"Here is step number {n} instead.\n\n" for n in range(56)]
    draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
    target = ScriptedEngine((*better, "So \\boxed{9}."), labels=lambda _: {"No": 1.0})
    events = play(draft, target, adaptive=True, max_tokens=1000)
    turned = [event for event in events if isinstance(event, DraftingSwitched)]
    assert [(event.on, event.gain < 0) for event in turned] == [(False, True)]
    alone = [step for step in steps(events) if step.cause is Cause.NOT_PAYING]
    assert len(alone) >= 48
    assert all(step.origin is Origin.TARGET and not step.assessments for step in alone)
    stats = fold(events)
    assert stats.undrafted == len(alone)
    assert events[-1].reply == "".join((*better, "So \\boxed{9}."))


def test_adaptive_drafting_passed_on_spares_the_next_run_what_did_not_pay_in_the_last():
    many = [f"This is draft number {n} of many.\n\n" for n in range(10)]
    better = [f"Here is step number {n} instead.\n\n" for n in range(10)]
    adaptive = config(adaptive=True)
    drafting = adaptive_drafting(adaptive)
    first = []
    for _ in range(2):
        draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
        target = ScriptedEngine((*better, "So \\boxed{9}."), labels=lambda _: {"No": 1.0})
        ticks = itertools.count()
        models = {Author.DRAFT: draft, Author.TARGET: target}
        run = ReasoningRun(PROMPT, models, adaptive, partial(next, ticks), drafting=drafting)
        first.append(steps(run.events())[0].cause)
    assert first == [None, Cause.NOT_PAYING]


def test_a_fast_draft_is_kept_after_the_one_step_that_the_target_writes_to_compare():
    many = [f"This is draft number {n} of many.\n\n" for n in range(20)]
    clock = itertools.count()
    draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
    target = ScriptedEngine((*many, "So \\boxed{9}."), labels=lambda _: {"Yes": 1.0})
    target.likelihood = lambda _: (next(clock), next(clock), next(clock), next(clock), -0.1)[-1]
    models = {Author.DRAFT: draft, Author.TARGET: target}
    run = ReasoningRun(PROMPT, models, config(adaptive=True, max_tokens=1000), lambda: float(next(clock)))
    done = steps(run.events())
    assert [step.n for step in done if step.cause is Cause.PROBE] == [3]
    assert done[2].origin is Origin.TARGET
    assert {step.origin for step in done} == {Origin.ESCALATED, Origin.TARGET}
