"""Drafting is turned off where it does not pay, and tried again."""

from itertools import pairwise

import pytest

from confspec_cli.core.events import StepCommitted, StepJudged, StepWritten
from confspec_cli.core.gate import Decision
from confspec_cli.core.policy import AdaptiveDrafting
from confspec_cli.core.trace import Assessment, Author, Origin, Step, WrittenStep

TOKENS = 40
TARGET_TOKEN, DRAFT_TOKEN, JUDGING = 0.080, 0.036, 0.4  # seconds, as a processor with two cores has them


def written(author, seconds, n=1, assessment=0.0):
    return StepWritten(n, WrittenStep(author, "", TOKENS, False, None, seconds + assessment, assessment))


def play(drafting, steps, is_right, prefill=0.0):
    """Seconds of a run of so many steps, and the steps that were drafted; `is_right` tells of each draft.

    `catching_up`: seconds the draft takes for each step that it has not written, once it writes again.
    """
    behind = 1
    total, drafted = 0.0, []
    alone = TOKENS * TARGET_TOKEN
    for n in range(1, steps + 1):
        drafting.switches()
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
    total, drafted = play(AdaptiveDrafting(worth_drafting), 60, lambda n: False)
    assert total <= 1.05 * 60 * TOKENS * TARGET_TOKEN
    assert drafted  # it was tried
    assert all(later - sooner > 1 for sooner, later in pairwise(drafted[2:]))


def test_a_draft_that_is_always_right_is_never_turned_off():
    total, drafted = play(AdaptiveDrafting(), 60, lambda n: n > 1)
    assert drafted == list(range(1, 61))
    assert total == play(AdaptiveDrafting(active=False), 60, lambda n: n > 1)[0]


def test_a_draft_that_becomes_right_is_taken_up_again():
    _, drafted = play(AdaptiveDrafting(), 90, lambda n: n > 20)
    assert drafted[-30:] == list(range(61, 91))


def test_a_pair_known_not_to_pay_begins_with_the_target_and_is_tried_once_in_a_while():
    drafting = AdaptiveDrafting(worth_drafting=False)
    assert not drafting.drafts
    _, drafted = play(drafting, 100, lambda n: False)
    assert drafted == [49]


def test_what_cannot_be_held_against_the_target_yet_decides_nothing():
    drafting = AdaptiveDrafting()
    _, drafted = play(drafting, 5, lambda n: True)
    assert drafted == [1, 2, 3, 4, 5]
    assert drafting.gain == 0


def test_an_idle_controller_always_drafts():
    _, drafted = play(AdaptiveDrafting(worth_drafting=False, active=False), 10, lambda n: False)
    assert drafted == list(range(1, 11))


def test_what_the_draft_reads_once_is_not_held_against_its_first_step_and_its_trials():
    drafting = AdaptiveDrafting(worth_drafting=False)
    _, drafted = play(drafting, 80, lambda n: True, prefill=1.0)
    assert drafted == list(range(49, 81))
    _, drafted = play(AdaptiveDrafting(), 40, lambda n: n > 1, prefill=2.0)
    assert drafted == list(range(1, 41))


def test_a_trial_is_a_short_step():
    drafting = AdaptiveDrafting(worth_drafting=False)
    assert drafting.draft_tokens(160) == 160
    play(drafting, 48, lambda n: False)
    drafting.switches()
    assert drafting.drafts
    assert drafting.draft_tokens(160) == 24
    assert drafting.draft_tokens(10) == 10
    play(drafting, 1, lambda n: True)
    assert drafting.draft_tokens(160) == 160


def test_what_one_run_taught_holds_in_the_next():
    drafting = AdaptiveDrafting()
    _, drafted = play(drafting, 8, lambda n: False)
    assert drafted[:1] == [1]
    assert not drafting.drafts
    _, drafted = play(drafting, 8, lambda n: False)
    assert len(drafted) <= 1
