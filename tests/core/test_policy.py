"""Who writes next: drafting is turned off where it does not pay, and tried again."""

import itertools
from functools import partial
from itertools import pairwise

import pytest
from support.small_runs import PROMPT, config, play, steps

from confspec_cli.core.events import (
    DraftingSwitched,
    StepCommitted,
    StepJudged,
    StepWritten,
)
from confspec_cli.core.gate import Decision
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Assessment, Author, Cause, Origin, Step, WrittenStep
from confspec_cli.engines.scripted import ScriptedEngine

TOKENS = 40
TARGET_TOKEN, DRAFT_TOKEN, JUDGING = 0.080, 0.036, 0.4  # seconds, as a processor with two cores has them


def written(author, seconds, n=1, assessment=0.0):
    return StepWritten(n, WrittenStep(author, "", TOKENS, False, None, seconds + assessment, assessment))


def simulate(drafting, steps, is_right, prefill=0.0):
    """Seconds of a run of so many steps, and the steps that were drafted; `is_right` tells of each draft.

    `catching_up`: seconds the draft takes for each step that it has not written, once it writes again.
    """
    behind = 1
    total, drafted = 0.0, []
    alone = TOKENS * TARGET_TOKEN
    for n in range(1, steps + 1):
        drafting.switch_if_due()
        origin = Origin.TARGET
        if drafting.drafts:
            drafted.append(n)
            assessment, behind = prefill * behind, 0
            total += TOKENS * DRAFT_TOKEN + JUDGING + assessment
            drafting.add(written(Author.DRAFT, TOKENS * DRAFT_TOKEN, n, assessment))
            decision = Decision.ACCEPT if is_right(n) else Decision.REJECT
            drafting.add(StepJudged(n, Assessment(Author.TARGET, None, None, JUDGING), decision, 0.5, 0.5))
            origin = Origin.ESCALATED if is_right(n) else Origin.TARGET
        if origin is Origin.TARGET:
            total, behind = total + alone, behind + 1
            drafting.add(written(Author.TARGET, alone, n))
        drafting.add(StepCommitted(Step(n, origin, "", TOKENS, False, 0.0)))
    return total, drafted


@pytest.mark.parametrize("worth_drafting", [True, False])
def test_a_draft_that_is_always_wrong_costs_at_most_a_twentieth_of_a_long_run(worth_drafting):
    total, drafted = simulate(AdaptiveDrafting(worth_drafting), 60, lambda n: False)
    assert total <= 1.05 * 60 * TOKENS * TARGET_TOKEN
    assert drafted  # it was tried
    assert all(later - sooner > 1 for sooner, later in pairwise(drafted[2:]))


def test_a_draft_that_is_always_right_is_never_turned_off():
    total, drafted = simulate(AdaptiveDrafting(), 60, lambda n: n > 1)
    assert drafted == list(range(1, 61))
    assert total == simulate(AdaptiveDrafting(active=False), 60, lambda n: n > 1)[0]


def test_a_draft_that_becomes_right_is_taken_up_again():
    _, drafted = simulate(AdaptiveDrafting(), 90, lambda n: n > 20)
    assert drafted[-30:] == list(range(61, 91))


def test_a_pair_known_not_to_pay_begins_with_the_target_and_is_tried_once_in_a_while():
    drafting = AdaptiveDrafting(worth_drafting=False)
    assert not drafting.drafts
    _, drafted = simulate(drafting, 100, lambda n: False)
    assert drafted == [49]


def test_what_cannot_be_held_against_the_target_yet_decides_nothing():
    drafting = AdaptiveDrafting()
    _, drafted = simulate(drafting, 5, lambda n: True)
    assert drafted == [1, 2, 3, 4, 5]
    assert drafting.gain == 0


def test_one_that_is_not_active_always_drafts():
    _, drafted = simulate(AdaptiveDrafting(worth_drafting=False, active=False), 10, lambda n: False)
    assert drafted == list(range(1, 11))


def test_what_the_draft_reads_once_is_not_held_against_its_first_step_and_its_trials():
    drafting = AdaptiveDrafting(worth_drafting=False)
    _, drafted = simulate(drafting, 80, lambda n: True, prefill=1.0)
    assert drafted == list(range(49, 81))
    _, drafted = simulate(AdaptiveDrafting(), 40, lambda n: n > 1, prefill=2.0)
    assert drafted == list(range(1, 41))


def test_a_trial_is_a_short_step():
    drafting = AdaptiveDrafting(worth_drafting=False)
    assert drafting.draft_tokens(160) == 160
    simulate(drafting, 48, lambda n: False)
    drafting.switch_if_due()
    assert drafting.drafts
    assert drafting.draft_tokens(160) == 24
    assert drafting.draft_tokens(10) == 10
    simulate(drafting, 1, lambda n: True)
    assert drafting.draft_tokens(160) == 160


def test_what_one_run_taught_holds_in_the_next():
    drafting = AdaptiveDrafting()
    _, drafted = simulate(drafting, 8, lambda n: False)
    assert drafted[:1] == [1]
    assert not drafting.drafts
    _, drafted = simulate(drafting, 8, lambda n: False)
    assert len(drafted) <= 1


def test_where_drafting_does_not_pay_the_target_writes_alone_and_says_so():
    many = [f"This is draft number {n} of many.\n\n" for n in range(56)]
    better = [f"Here is step number {n} instead.\n\n" for n in range(56)]
    draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
    target = ScriptedEngine((*better, "So \\boxed{9}."), labels=lambda _: {"No": 1.0})
    events = play(draft, target, adaptive=True, max_tokens=1000)
    turned = [event for event in events if isinstance(event, DraftingSwitched)]
    assert [event.on for event in turned] == [False, True, False]
    assert all(event.gain < 0 for event in turned)
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


def test_a_slow_draft_is_turned_off_though_every_step_of_it_stands():
    """The target has written nothing, so that nothing is known of its speed until it is made to write."""
    drafting = AdaptiveDrafting()
    origins = []
    for n in range(1, 41):
        drafting.switch_if_due()
        author = Author.TARGET if drafting.needs_probe or not drafting.drafts else Author.DRAFT
        drafting.add(written(author, TOKENS * (TARGET_TOKEN if author is Author.TARGET else 5.0), n))
        if author is Author.DRAFT:
            for by, decision in ((Author.DRAFT, Decision.ESCALATE), (Author.TARGET, Decision.ACCEPT)):
                drafting.add(StepJudged(n, Assessment(by, None, None, JUDGING), decision, 0.5, 0.5))
        origins.append(Origin.TARGET if author is Author.TARGET else Origin.ESCALATED)
        drafting.add(StepCommitted(Step(n, origins[-1], "", TOKENS, False, 0.0)))
    assert origins == [*[Origin.ESCALATED] * 8, Origin.TARGET, Origin.ESCALATED, *[Origin.TARGET] * 30]


def test_a_fast_draft_is_kept_after_the_one_step_that_the_target_writes_to_compare():
    many = [f"This is draft number {n} of many.\n\n" for n in range(20)]
    clock = itertools.count()
    draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
    target = ScriptedEngine((*many, "So \\boxed{9}."), labels=lambda _: {"Yes": 1.0})
    target.likelihood = lambda _: (next(clock), next(clock), next(clock), next(clock), -0.1)[-1]
    models = {Author.DRAFT: draft, Author.TARGET: target}
    run = ReasoningRun(PROMPT, models, config(adaptive=True, max_tokens=1000), lambda: float(next(clock)))
    done = steps(run.events())
    assert [step.n for step in done if step.cause is Cause.PROBE] == [9]
    assert done[8].origin is Origin.TARGET
    assert {step.origin for step in done} == {Origin.ESCALATED, Origin.TARGET}
