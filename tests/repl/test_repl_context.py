"""A context that fills up: a warning, then a question, and nothing dropped unasked."""

from dataclasses import replace

import pytest
from support.scripted_chat import flat, pool, talk

from confspec_cli.core.prompts import SUMMARISE
from confspec_cli.core.trace import Author

LONG = "word " * 60  # with its answer 78 tokens, after a system prompt of 26

THIRD = "third " * 55  # fits only once the first turn is dropped, and then leaves half the context free


def models(context=200, **more):
    return pool(context=context, doubt="never", **more)


def test_a_warning_comes_at_80_percent_and_not_before():
    _, text = talk("word " * 100, models=models(200))
    assert "nearly full" not in text
    _, text = talk("word " * 120, models=models(200))
    assert "Context nearly full: 163 of 200 tokens (82 %)." in flat(text)


def test_a_full_context_asks_and_enter_stops_and_gives_the_message_back():
    chat, text = talk(LONG, LONG, THIRD, models=models())
    assert "The context is full" in text
    assert chat.desk.asked == ["What now?"]
    assert len(chat.record.turns()) == 2
    assert chat.desk.given[-1] == THIRD.strip()


def test_the_oldest_turns_are_dropped_when_a_person_says_so_and_never_the_system_prompt():
    chat, text = talk(LONG, "Short?", THIRD, models=models(), choices=["d"])
    assert "The oldest turn was dropped from the context." in text
    told = chat.record.messages()
    assert told[0].role == "system"
    assert LONG.strip() not in [message.content for message in told]
    assert len(chat.record.turns()) == 3  # the session keeps what the models forget


def test_a_summary_by_the_target_can_stand_in_their_place():
    chat, text = talk(LONG, "Short?", THIRD, models=models(), choices=["m"])
    assert "A summary replaces the oldest turn in the context." in text
    told = chat.record.messages()
    assert told[1].content == SUMMARISE
    assert "\\boxed{43}" in told[2].content  # the target's words
    assert [turn.user for turn in chat.record.turns()].count(SUMMARISE) == 0


def test_without_a_target_the_draft_writes_the_summary():
    chat, _ = talk("/mode draft", LONG, "Short?", THIRD, models=models(), choices=["m"])
    assert "\\boxed{42}" in chat.record.messages()[2].content


def test_a_message_that_does_not_fit_by_itself_is_given_back():
    chat, text = talk("word " * 300, models=models())
    assert "is too long for the context, even on its own" in flat(text)
    assert chat.record.turns() == []
    assert chat.desk.given[-1].startswith("word")


def test_a_file_that_has_no_room_waits_for_the_next_message(tmp_path):
    (tmp_path / "long.txt").write_text("word " * 300)
    chat, _ = talk(f"/file {tmp_path}/long.txt", "How long is it?", models=models())
    assert chat.desk.given[-1] == "How long is it?"
    assert len(chat.attached) == 1


@pytest.mark.parametrize(("choice", "reason"), [("s", "context"), ("d", "stop")])
def test_a_context_that_fills_in_mid_answer_asks_too(choice, reason):
    pair = models(200)
    answer = [f"Step {n} says a good deal of things.\n\n" for n in range(5)]
    for engine in pair.scripted.values():
        engine.segments = answer
    # 26 of the system prompt, 60 and 35 of the first turn, then 40: the answer to it has room for 4 steps and a bit
    chat, text = talk(LONG, "word " * 40, models=pair, choices=[choice])
    assert "The context filled up before an answer." in text
    assert chat.record.turns()[-1].reason == reason
    assert len(chat.record.turns()) == 2


def test_an_interrupted_summary_drops_nothing():
    pair = models()
    pair.scripted[Author.TARGET].segments = ()
    chat, text = talk(LONG, "Short?", THIRD, models=pair, choices=["m"])
    assert "The summary failed; nothing was dropped." in text
    assert LONG.strip() in [message.content for message in chat.record.messages()]


def test_the_fuller_context_of_the_two_counts():
    pair = models(200)
    target = pair.scripted[Author.TARGET]
    target.card = replace(target.card, context=120)
    chat, _ = talk(LONG, models=pair)
    assert chat.use.total == 120


def test_no_more_turns_are_summarised_than_leave_room_for_the_summary():
    pair = models()
    _, text = talk(LONG, "word " * 30, "third " * 90, models=pair, choices=["m", "d"])
    assert "A summary replaces the oldest turn in the context." in text
    assert "The oldest turn was dropped from the context." in text
