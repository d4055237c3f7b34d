"""Drafting is turned off where it does not pay, and tried again."""

from itertools import pairwise

import pytest

from confspec_cli.controller import Controller
from confspec_cli.events import StepCommitted, StepJudged, StepWritten
from confspec_cli.gate import Decision
from confspec_cli.trace import Author, Origin, Proposal, Reading, Step

TOKENS = 40
TARGET_TOKEN, DRAFT_TOKEN, JUDGING = 0.080, 0.036, 0.4  # seconds, as a processor with two cores has them


def written(author, seconds, n=1, reading=0.0):
    return StepWritten(n, Proposal(author, "", TOKENS, False, None, seconds + reading, reading))


def play(controller, steps, is_right, catching_up=0.0):
    """Seconds of a run of so many steps, and the steps that were drafted; `is_right` tells of each draft.

    `catching_up`: seconds the draft takes for each step that it has not written, once it writes again.
    """
    behind = 1
    total, drafted = 0.0, []
    alone = TOKENS * TARGET_TOKEN
    for n in range(1, steps + 1):
        controller.turn()
        origin = Origin.TARGET
        if controller.drafts:
            drafted.append(n)
            reading, behind = catching_up * behind, 0
            total += TOKENS * DRAFT_TOKEN + JUDGING + reading
            controller.add(written(Author.DRAFT, TOKENS * DRAFT_TOKEN, n, reading))
            decision = Decision.ACCEPT if is_right(n) else Decision.REJECT
            controller.add(StepJudged(n, Reading(Author.TARGET, None, None, JUDGING), decision, 0.5, 0.5))
            origin = Origin.ESCALATED if is_right(n) else Origin.TARGET
        if origin is Origin.TARGET:
            total, behind = total + alone, behind + 1
            controller.add(written(Author.TARGET, alone, n))
        controller.add(StepCommitted(Step(n, origin, "", TOKENS, False, 0.0)))
    return total, drafted


@pytest.mark.parametrize("pays", [True, False])
def test_a_draft_that_is_always_wrong_costs_at_most_a_twentieth_of_a_long_run(pays):
    total, drafted = play(Controller(pays), 60, lambda n: False)
    assert total <= 1.05 * 60 * TOKENS * TARGET_TOKEN
    assert drafted  # it was tried
    assert all(later - sooner > 1 for sooner, later in pairwise(drafted[2:]))


def test_a_draft_that_is_always_right_is_never_turned_off():
    total, drafted = play(Controller(), 60, lambda n: n > 1)
    assert drafted == list(range(1, 61))
    assert total == play(Controller(active=False), 60, lambda n: n > 1)[0]


def test_a_draft_that_becomes_right_is_taken_up_again():
    _, drafted = play(Controller(), 90, lambda n: n > 20)
    assert drafted[-30:] == list(range(61, 91))


def test_a_pair_known_not_to_pay_begins_with_the_target_and_is_tried_once_in_a_while():
    controller = Controller(pays=False)
    assert not controller.drafts
    _, drafted = play(controller, 100, lambda n: False)
    assert drafted == [49]


def test_what_cannot_be_held_against_the_target_yet_decides_nothing():
    controller = Controller()
    _, drafted = play(controller, 5, lambda n: True)
    assert drafted == [1, 2, 3, 4, 5]
    assert controller.gain == 0


def test_an_idle_controller_always_drafts():
    _, drafted = play(Controller(pays=False, active=False), 10, lambda n: False)
    assert drafted == list(range(1, 11))


def test_what_the_draft_reads_once_is_not_held_against_its_first_step_and_its_trials():
    controller = Controller(pays=False)
    _, drafted = play(controller, 80, lambda n: True, catching_up=1.0)
    assert drafted == list(range(49, 81))
    _, drafted = play(Controller(), 40, lambda n: n > 1, catching_up=2.0)
    assert drafted == list(range(1, 41))


def test_a_trial_is_a_short_step():
    controller = Controller(pays=False)
    assert controller.room(160) == 160
    play(controller, 48, lambda n: False)
    controller.turn()
    assert controller.drafts
    assert controller.room(160) == 24
    assert controller.room(10) == 10
    play(controller, 1, lambda n: True)
    assert controller.room(160) == 160


def test_what_one_run_taught_holds_in_the_next():
    controller = Controller()
    _, drafted = play(controller, 8, lambda n: False)
    assert drafted[:1] == [1]
    assert not controller.drafts
    _, drafted = play(controller, 8, lambda n: False)
    assert len(drafted) <= 1
