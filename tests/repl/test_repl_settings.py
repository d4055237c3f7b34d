"""/set, /system and /model: what a conversation on scripted models can be changed to."""

from dataclasses import replace

from support.scripted_chat import REWRITTEN, STEPS, flat, pool, talk

from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.engines.scripted import CARD

REPLY = STEPS[0] + REWRITTEN[1] + STEPS[2]


def test_thresholds_can_be_turned_and_move_each_other_along():
    chat, text = talk("/reject 0.4", "/accept 0.2", "/accept")
    assert (chat.config.gate.accept, chat.config.gate.reject) == (0.2, 0.0)
    chat, text = talk("/accept 0.3", "/reject 0.6")
    assert (chat.config.gate.accept, chat.config.gate.reject) == (0.95, 0.6)
    assert "accept 0.95 · reject 0.60" in text


def test_a_mode_without_thresholds_says_so():
    _, text = talk("/mode target", "/accept 0.5")
    assert "Thresholds only apply in mode confspec." in text


def test_set_changes_what_is_shown_and_how_tokens_are_chosen():
    chat, text = talk("/set temperature 0.7", "/set confidence on", "/set steps none", "/set vi on", "/set")
    assert chat.config.sampling.temperature == 0.7
    assert chat.show.confidence
    assert chat.hides_steps
    assert chat.desk.vi
    assert "temperature 0.7" in text


def test_who_guesses_ahead_can_be_set():
    chat, text = talk("/set speculate ngram", "/set")
    assert chat.options.speculate is Speculation.NGRAM
    assert "speculate" in text


def test_with_steps_hidden_the_reply_is_shown_whole():
    _, text = talk("/steps hide", "What is it?")
    assert REPLY.split("\n")[0] in text
    assert "✓ draft" not in text


def test_a_new_system_prompt_holds_from_the_next_message_on():
    chat, _ = talk("One?", "/system Answer in verse.", "Two?", "/system none", "Three?")
    assert [turn.system for turn in chat.record.turns()][1:] == ["Answer in verse.", ""]


def test_changing_models_keeps_the_conversation():
    models = pool()
    chat, _text = talk("One?", "/target big", "/pair starter", "/mode draft", "Two?", models=models)
    assert len(chat.record.turns()) == 2
    assert [options.target for options in models.loaded] == ["big", None, None]
    assert models.loaded[-1].mode is Mode.DRAFT


def test_a_brief_view_is_followed_by_the_whole_reply():
    chat, text = talk("/set steps brief", "What is it?")
    assert chat.show.brief
    assert REPLY.rstrip() in text.rpartition("✓ draft")[2]


def test_the_kind_of_work_and_the_thinking_can_be_set():
    models = pool(card=replace(CARD, thinks=True))
    typed = ("/set task code", "/set think_budget 0", "/set task poem", "/set think on", "/set think default")
    chat, text = talk(*typed, models=models)
    assert (chat.options.task.value, chat.options.think_budget, chat.options.think) == ("code", 0, None)
    assert 'task must be math, qa, code, plain or default, not "poem".' in flat(text)
