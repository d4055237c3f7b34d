"""/retry: a reply that was cut off is gone on with from its last step."""

import pytest
from support.scripted_chat import REWRITTEN, STEPS, ScriptedPool, pool, talk, unsure_of

from confspec_cli.core.events import RunStarted
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ServerError


class FailsOnce(ScriptedEngine):
    """Fails at its first call, and works from then on."""

    def _check(self, prompt, call):
        super()._check(prompt, call)
        if len(self.calls) == 1 and call:
            raise ServerError("Nothing answers at http://host:8000: Connection refused.")


def failing(doubt):
    draft, target = unsure_of(doubt)
    engines = {Author.DRAFT: ScriptedEngine(STEPS, labels=draft), Author.TARGET: FailsOnce(REWRITTEN, labels=target)}
    return ScriptedPool(engines)


def test_retry_goes_on_from_the_last_step_and_the_turn_is_one():
    chat, text = talk("What is it?", "/retry", models=failing("second"))
    assert "/retry continues from the last step." in text
    (turn,) = chat.record.turns()
    reference, _ = talk("What is it?", models=pool())
    assert turn.reply == reference.record.turns()[0].reply
    started = [event for event in chat.record.events if isinstance(event, RunStarted)]
    assert [event.continues for event in started] == [None, 1]


def test_a_question_that_came_to_nothing_is_back_on_the_prompt():
    chat, _ = talk("What is it?", models=failing("first"))
    assert chat.record.turns() == []
    assert chat.desk.given[-1] == "What is it?"


@pytest.mark.parametrize("command", ["/retry", "/regen"])
def test_after_a_whole_reply_it_is_like_regen(command):
    _, text = talk("What is it?", command)
    assert "Temperature is 0" in text
