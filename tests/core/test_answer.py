"""An answer in a form: reasoned out freely first, then written by the target under a grammar."""

from dataclasses import dataclass, field, replace

import pytest
from support.small_runs import DRAFT, PROMPT, TARGET, config, steps

from confspec_cli.core.events import StepOpened, Warned, from_dict, to_dict
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Form, Mode
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Author, Cause, Origin
from confspec_cli.engines.scripted import ScriptedEngine

FORM = Form("eggs.json", 'root ::= "{}"', "Give the answer as JSON.")
JSON = '{"eggs": 9}'


@dataclass
class Formal(ScriptedEngine):
    """Reasons by its script and, under a grammar, answers in JSON; notes the prompts of what was held to a grammar."""

    asked: list = field(default_factory=list)

    def generate(self, prompt, sampling, max_tokens):
        if sampling.grammar is None:
            return ScriptedEngine.generate(self, prompt, sampling, max_tokens)
        assert sampling.grammar == FORM.grammar
        self.asked.append(prompt)
        return ScriptedEngine([JSON]).generate(replace(prompt, reply=()), sampling, max_tokens)


def run(prompt=PROMPT, steering=None, draft=DRAFT, target=TARGET, **changes):
    models = {
        author: Formal(script, labels=lambda _: {"Yes": 1.0})
        for author, script in ((Author.DRAFT, draft), (Author.TARGET, target))
    }
    return list(ReasoningRun(prompt, models, config(form=FORM, **changes), lambda: 0.0, steering).events()), models


@pytest.mark.parametrize("mode", list(Mode))
def test_the_answer_follows_the_reasoning_in_a_turn_of_its_own(mode):
    events, models = run(mode=mode)
    last = steps(events)[-1]
    assert (last.text, last.cause, last.ended) == (JSON, Cause.FORM, True)
    finished = events[-1]
    assert (finished.reason, finished.reply, finished.answer, finished.extract) == ("stop", JSON, JSON, JSON)
    (prompt,) = [prompt for model in models.values() for prompt in model.asked]
    reasoning = "".join(step.text for step in steps(events)[:-1])
    assert [message.content for message in prompt.messages[-2:]] == [reasoning, FORM.request]
    assert prompt.reply == ()
    assert last.origin is (Origin.DRAFT if mode is Mode.DRAFT else Origin.TARGET)


def test_no_grammar_ever_touches_the_reasoning():
    events, _ = run()
    assert "".join(step.text for step in steps(events)[:-1]) == "".join(DRAFT)


def test_after_thinking_the_answer_stands_where_the_thought_was_closed():
    script = ["We count the eggs one by one.\n\n", "So it is nine.\n</think>\n\n", "Nine eggs, in plain words."]
    events, models = run(replace(PROMPT, think=True), target=script, mode=Mode.TARGET)
    assert [step.text for step in steps(events)] == [*script[:2], JSON]
    (prompt,) = models[Author.TARGET].asked
    assert prompt.reply == tuple(script[:2])
    assert events[-1].reply == JSON


def test_a_thought_that_its_budget_cuts_short_is_closed_before_the_answer():
    script = ["We count the eggs one by one, at length.\n\n"] * 3
    events, _ = run(replace(PROMPT, think=True), target=script, mode=Mode.TARGET, think_budget=5)
    assert [step.cause for step in steps(events)] == [None, Cause.THINK_BUDGET, Cause.FORM]


def test_reasoning_that_runs_out_of_tokens_is_told_and_the_answer_is_written_all_the_same():
    events, _ = run(mode=Mode.TARGET, max_tokens=8)
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "the reasoning reached the limit of 8 tokens and was stopped before the answer"
    ]
    assert (events[-1].reason, events[-1].reply) == ("stop", JSON)


def test_thinking_that_runs_out_of_tokens_is_closed_first():
    script = ["We count the eggs one by one, at length.\n\n"] * 3
    events, _ = run(replace(PROMPT, think=True), target=script, mode=Mode.TARGET, max_tokens=8)
    assert [step.cause for step in steps(events)][-2:] == [Cause.THINK_BUDGET, Cause.FORM]


def test_an_answer_that_the_budget_cuts_off_says_so():
    events, _ = run(mode=Mode.TARGET, max_tokens=1)
    assert (events[-1].reason, events[-1].reply) == ("length", '{"eggs": ')


def test_an_answer_wanted_now_comes_in_its_form():
    steering = Steering()
    steering.answer_now()
    events, _ = run(steering=steering)
    assert [step.text for step in steps(events)] == [JSON]
    assert events[-1].reply == JSON
    assert sum(isinstance(event, StepOpened) for event in events) == 1


def test_the_record_names_the_form_and_survives_json():
    events, _ = run()
    assert events[0].parameters["form"] == "eggs.json"
    assert [from_dict(to_dict(event)) for event in events] == events
