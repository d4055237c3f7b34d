"""Thinking under control: its budget, its close, a block that never closes, one that nobody saw open."""

from dataclasses import replace

import pytest
from support.small_runs import PROMPT, config, steps

from confspec_cli.core.events import TextWritten
from confspec_cli.core.prompts import STOP_THINKING
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.steering import Steering
from confspec_cli.core.thinking import Thought, after_thinking, thought
from confspec_cli.core.trace import Author, Cause, FinishReason, Origin
from confspec_cli.engines.scripted import CARD, ScriptedEngine

THINKER = replace(CARD, thinks=True)
THOUGHTS = [f"This is thought number {n}, and it goes on for a while.\n\n" for n in range(30)]


class Thinker(ScriptedEngine):
    """Thinks for ever; once the thinking is closed, answers."""

    def generate(self, prompt, sampling, max_tokens):
        closed = "</think>" in "".join(prompt.reply)
        script = ["The answer is \\boxed{8}."] if closed else self.segments[len(prompt.reply) :]
        return ScriptedEngine(script).generate(replace(prompt, reply=()), sampling, max_tokens)


def run(models=None, steering=None, think=True, **changes):
    models = models or {author: Thinker(THOUGHTS, labels=lambda _: {"Yes": 1.0}) for author in Author}
    prompt = replace(PROMPT, think=think)
    return list(ReasoningRun(prompt, models, config(**changes), lambda: 0.0, steering).events())


@pytest.mark.parametrize("mode", list(Mode))
def test_at_the_budget_the_thinking_is_closed_and_the_answer_written_by_the_same_cascade(mode):
    events = run(mode=mode, think_budget=40)
    (close,) = [step for step in steps(events) if step.origin is Origin.INJECTED]
    assert close.cause is Cause.THINK_BUDGET
    assert close.text.endswith(STOP_THINKING)
    thinking = [step for step in steps(events) if step.n < close.n]
    assert sum(step.tokens for step in thinking) == 40
    assert events[-1].reply == "The answer is \\boxed{8}."
    assert (events[-1].answer, events[-1].reason) == ("8", "stop")


def test_a_thought_that_closes_within_its_budget_is_left_alone():
    script = ["A short thought.\n</think>\n\n", "The answer is 8, after all that thinking about eggs."]
    events = run({Author.TARGET: ScriptedEngine(script)}, mode=Mode.TARGET, think_budget=5)
    assert [step.origin for step in steps(events)] == [Origin.TARGET, Origin.TARGET]


def test_a_budget_of_nothing_closes_the_thinking_at_once():
    events = run(mode=Mode.TARGET, think_budget=0)
    assert steps(events)[0].text == STOP_THINKING


def test_a_budget_says_nothing_to_a_reply_that_is_not_thought_about():
    events = run({Author.TARGET: ScriptedEngine(THOUGHTS[:4])}, mode=Mode.TARGET, think=False, think_budget=5)
    assert events[-1].reply == "".join(THOUGHTS[:4])


def test_an_answer_wanted_now_closes_the_thinking():
    steering = Steering()
    models = {author: Thinker(THOUGHTS, labels=lambda _: {"Yes": 1.0}) for author in Author}
    events = []
    for event in ReasoningRun(replace(PROMPT, think=True), models, config(), lambda: 0.0, steering).events():
        events.append(event)
        if isinstance(event, TextWritten) and event.n == 2:
            steering.answer_now()
    close = next(step for step in steps(events) if step.origin is Origin.INJECTED)
    assert (close.n, close.cause) == (2, Cause.ANSWER_NOW)
    assert events[-1].reply == "The answer is \\boxed{8}."


def test_a_turn_that_ends_inside_its_thinking_is_closed_and_answered():
    models = {Author.TARGET: Thinker(THOUGHTS[:1])}
    events = run(models, mode=Mode.TARGET)
    assert [step.cause for step in steps(events)] == [None, None, Cause.UNCLOSED_THOUGHT, None]
    assert events[-1].reply == "The answer is \\boxed{8}."


def test_thinking_in_circles_is_closed_and_the_answer_written():
    circles = ["This thought comes back again and again.\n\n"] * 30
    events = run({author: Thinker(circles, labels=lambda _: {"Yes": 1.0}) for author in Author})
    (close,) = [step for step in steps(events) if step.origin is Origin.INJECTED]
    assert close.cause is Cause.REPETITION
    assert close.text.endswith(STOP_THINKING)
    assert (events[-1].reason, events[-1].reply) == (FinishReason.STOP, "The answer is \\boxed{8}.")


def test_thinking_that_uses_up_all_tokens_leaves_no_reply():
    events = run(mode=Mode.TARGET, max_tokens=30)
    assert (events[-1].reason, events[-1].reply, events[-1].answer) == ("length", "", None)


def test_a_model_that_can_think_but_was_told_not_to_may_close_a_thought_nobody_saw_open():
    script = ["It slipped into thinking.\n</think>\n\n", "Eight."]
    models = {Author.TARGET: ScriptedEngine(script, card=THINKER)}
    assert run(models, mode=Mode.TARGET, think=False)[-1].reply == "Eight."


def test_to_a_model_that_never_thinks_the_tag_is_text_like_any_other():
    script = ["The tag </think> closes a thought.\n\n", "That is all there is to it."]
    assert run({Author.TARGET: ScriptedEngine(script)}, mode=Mode.TARGET, think=False)[-1].reply == "".join(script)


@pytest.mark.parametrize(
    ("text", "opened", "where", "reply"),
    [
        ("plain", False, Thought.NONE, "plain"),
        ("still at it", True, Thought.OPEN, ""),
        ("<think>still at it", False, Thought.OPEN, ""),
        ("done</think>\n\nso", True, Thought.CLOSED, "so"),
        ("<think>done</think>so", False, Thought.CLOSED, "so"),
        ("bare</think>\nso", False, Thought.CLOSED, "so"),
        ("one</think>\n<think>two</think>\nso", True, Thought.CLOSED, "so"),
        ("one</think>\n<think>two", True, Thought.OPEN, ""),
        ("done</think>", True, Thought.CLOSED, ""),
    ],
)
def test_where_a_reply_stands_to_its_thinking_and_what_is_left_of_it(text, opened, where, reply):
    assert thought(text, opened) is where
    assert after_thinking(text, opened) == reply
