"""Conversations: turns from events, what was undone and forgotten, and what the models are told."""

import dataclasses

import pytest
from support.recorded_runs import Recorder, sample, texts

from confspec_cli.core.conversation import Conversation
from confspec_cli.core.events import (
    RunFinished,
    RunStarted,
    SessionNamed,
    StepCommitted,
    SystemChanged,
    TextWritten,
    TurnsForgotten,
    TurnsUndone,
)
from confspec_cli.core.messages import Message
from confspec_cli.core.prompts import SUMMARISE
from confspec_cli.core.stats import fold


def said(prompt, *replies, think=False, system="", finish="stop"):
    """The events of a run; without a finish it is cut off."""
    run = Recorder(think=think)
    for reply in replies:
        run.draft(reply)
    started = dataclasses.replace(run.events[0], prompt=prompt, system=system)
    return [started, *(run.finish(finish) if finish else run.events)[1:]]


def told(conversation):
    return [(message.role, message.content) for message in conversation.messages()]


@pytest.fixture
def three():
    return Conversation([*said("one", "1."), *said("two", "2."), *said("three", "3.")])


def test_a_turn_is_what_was_said_and_what_came_of_it():
    (turn,) = Conversation(sample()).turns
    assert turn.user == "What is 6 * 7?"
    assert turn.reply == "".join(texts(sample()))
    assert turn.reason == "stop"
    assert [step.n for step in turn.steps] == [1, 2, 3, 4]
    assert turn.stats == fold(sample())
    assert not turn.cut_off
    assert not any(isinstance(event, TextWritten) for event in turn.events)


def test_the_models_are_told_every_turn_in_order():
    conversation = Conversation([*said("one", "1.\n\n", " so 1", system="Be brief."), *said("two", "2.", system="Be.")])
    assert told(conversation) == [
        ("system", "Be."),
        ("user", "one"),
        ("assistant", "1.\n\n so 1"),
        ("user", "two"),
        ("assistant", "2."),
    ]


def test_without_a_system_prompt_none_is_told():
    assert told(Conversation(said("one", "1.")))[0] == ("user", "one")
    assert Conversation().system is None
    assert Conversation().messages() == ()


def test_the_system_prompt_changes_for_the_turns_to_come():
    conversation = Conversation([*said("one", "1.", system="Be brief."), SystemChanged("Be long.")])
    assert conversation.messages()[0] == Message("system", "Be long.")
    assert conversation.turns[0].system == "Be brief."
    conversation.add(SystemChanged(""))
    assert conversation.messages()[0] == Message("user", "one")


def test_thinking_is_not_told_again():
    conversation = Conversation(said("one", "hm\n", "</think>\n\n", "1.", think=True))
    assert told(conversation)[1] == ("assistant", "1.")


def test_a_run_that_was_cut_off_keeps_its_steps_and_is_marked():
    run = said("one", "First.\n\n", "Second.\n\n", finish=None)
    for follower in ([], said("two", "2."), [SessionNamed("x")]):
        turn = Conversation([*run, *follower]).turns[0]
        assert turn.cut_off
        assert turn.reason == "interrupted"
        assert turn.reply == "First.\n\nSecond.\n\n"
        assert len(turn.steps) == 2
        assert isinstance(turn.events[-1], RunFinished)


def test_a_run_that_was_cut_off_in_its_thinking_has_said_nothing():
    assert Conversation(said("one", "hm\n", think=True, finish=None)).turns[0].reply == ""


def test_a_run_that_was_cut_off_before_its_first_step_is_a_turn_too():
    conversation = Conversation(said("one", finish=None))
    assert told(conversation) == [("user", "one"), ("assistant", "")]
    assert conversation.turns[0].cut_off


def test_the_name_is_the_last_one_given():
    assert Conversation([SessionNamed("a"), SessionNamed("b")]).name == "b"


def test_undone_turns_are_gone(three):
    three.add(TurnsUndone(1))
    assert [turn.user for turn in three.turns] == ["one", "two"]
    for event in said("four", "4."):
        three.add(event)
    three.add(TurnsUndone(2))
    assert [turn.user for turn in three.turns] == ["one"]


@pytest.mark.parametrize(("count", "undone"), [(0, 0), (-1, 0), (2, 2), (3, 3), (9, 3)])
def test_no_more_is_undone_than_there_is(three, count, undone):
    assert three.undoable(count) == undone
    three.add(TurnsUndone(count))
    assert len(three.turns) == 3 - undone


def test_a_run_still_going_on_can_be_undone(three):
    for event in said("four", "4.", finish=None):
        three.add(event)
    assert three.undoable(9) == 4
    three.add(TurnsUndone(1))
    assert [turn.user for turn in three.turns] == ["one", "two", "three"]


def test_forgotten_turns_stay_in_the_conversation_and_are_no_longer_told(three):
    three.add(TurnsForgotten(2))
    assert len(three.turns) == 3
    assert told(three) == [("user", "three"), ("assistant", "3.")]
    assert three.undoable(9) == 1


def test_a_summary_is_told_in_place_of_what_it_sums_up():
    conversation = Conversation([*said("one", "1.", system="Be brief."), *said("two", "2.", system="Be brief.")])
    conversation.add(TurnsForgotten(1, "One is 1."))
    assert told(conversation)[:4] == [
        ("system", "Be brief."),
        ("user", SUMMARISE),
        ("assistant", "One is 1."),
        ("user", "two"),
    ]
    conversation.add(TurnsForgotten(1))
    assert told(conversation)[1:] == [("user", SUMMARISE), ("assistant", "One is 1.")]
    conversation.add(TurnsForgotten(9, "Both."))
    assert told(conversation)[-1] == ("assistant", "Both.")


def test_events_outside_of_a_run_are_no_turn():
    stray = [event for event in sample() if not isinstance(event, RunStarted)]
    assert Conversation(stray).turns == []


def test_the_steps_of_a_turn_are_those_committed():
    steps = [event.step for event in sample() if isinstance(event, StepCommitted)]
    assert list(Conversation(sample()).turns[0].steps) == steps
