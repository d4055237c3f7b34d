"""`chat --server`: a conversation by the models of a server that runs already."""

import pytest
from support.scripted_chat import REWRITTEN, STEPS, opened, pool, shown, talk
from support.serving import serving

from confspec_cli.core.trace import Origin
from confspec_cli.errors import ServerError, UsageError
from confspec_cli.models.registry import load
from confspec_cli.repl.loop import converse
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.served_pool import ServedPool

REPLY = STEPS[0] + REWRITTEN[1] + STEPS[2]


@pytest.fixture(scope="module")
def served():
    with serving() as one:
        yield one


@pytest.fixture
def there(served):
    """The pool of a chat with that server."""
    pool = ServedPool(load(None), served.url, RunOptions(), HardwareOptions())
    yield pool
    pool.close()


def test_steps_and_replies_are_those_of_the_server_and_the_conversation_goes_on(there, served):
    chat, text = talk("What is it?", "And again?", models=there)
    first, second = chat.record.turns()
    assert first.reply == second.reply == REPLY
    assert [step.origin for step in first.steps] == [Origin.DRAFT, Origin.TARGET, Origin.DRAFT]
    assert [message.role for message in chat.record.messages()] == ["system", *("user", "assistant") * 2]
    assert f"scripted on {served.url.removeprefix('http://')}" in text
    assert "This is the first step of it." in text


def test_settings_reach_the_server(there):
    chat, _ = talk("/mode target", "/set max_tokens 7", "What is it?", "/why 1", models=there)
    (turn,) = chat.record.turns()
    assert turn.started.mode == "target"
    assert turn.started.parameters["max_tokens"] == 7
    assert turn.finished.reason.value == "length"


@pytest.mark.parametrize("typed", ["/draft x.gguf", "/target x.gguf", "/pair tiny"])
def test_other_models_are_refused(there, typed):
    chat, text = talk(typed, "What is it?", models=there)
    assert "The server has its models already; other ones need a chat of their own." in text
    assert chat.record.turns()[0].reply == REPLY


def test_what_the_chat_tells_of_itself_needs_no_models_here(there):
    _, text = talk("/context", "What is it?", "/context", "/stats", "/pair", "/help", "/undo", "/regen", models=there)
    assert "of 4,096 tokens" in text
    assert "Alt-s" in text
    assert "Alt-e" not in text
    assert "Traceback" not in text


def test_a_full_context_there_is_a_question_here():
    with serving(pool(context=60)) as small:
        there = ServedPool(load(None), small.url, RunOptions(), HardwareOptions())
        chat = opened("word " * 100, models=there)
        converse(chat)
        assert "This message is too long for the context" in shown(chat)
        there.close()


def test_a_server_that_goes_away_is_said_and_the_question_comes_back():
    with serving() as one:
        there = ServedPool(load(None), one.url, RunOptions(), HardwareOptions())
    chat = opened("What is it?", models=there)
    converse(chat)
    assert "Nothing answers at" in shown(chat)
    assert chat.record.turns() == []
    there.close()


def test_what_cannot_be_is_said_at_once(served):
    with pytest.raises(UsageError, match="has the pair scripted, not tiny"):
        ServedPool(load(None), served.url, RunOptions(pair="tiny"), HardwareOptions())
    with pytest.raises(ServerError, match="Nothing answers"):
        ServedPool(load(None), "http://127.0.0.1:9", RunOptions(), HardwareOptions())
