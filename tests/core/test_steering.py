"""What a person wants of a run in progress: who then writes, what is dropped, and what the record says of it."""

import threading

import pytest
from support.small_runs import DRAFT, PROMPT, TARGET, config, steps

from confspec_cli.core.events import StepCommitted, StepDropped, StepJudged, StepOpened, TextWritten, from_dict, to_dict
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Author, Cause, Origin
from confspec_cli.engines.scripted import ScriptedEngine


class Writer(ScriptedEngine):
    """A scripted engine that goes on by what stands in the reply, not by how many steps it took to get there."""

    def generate(self, prompt, sampling, max_tokens):
        said = "".join(prompt.reply)
        yield from ScriptedEngine([self.after(said)]).generate(
            type(prompt)(prompt.messages, (), None, prompt.think), sampling, max_tokens
        )

    def after(self, said):
        return "\\boxed{9}." if said.endswith("Final answer: ") else "".join(self.segments)


def steered(when, wish, mode=Mode.CONFSPEC, draft=None, target=None, **changes):
    """The events of a run in which a person utters a wish at the first event that `when` picks."""
    steering = Steering()
    models = {
        Author.DRAFT: draft or ScriptedEngine(DRAFT, labels=lambda _: {"Yes": 1.0}),
        Author.TARGET: target or ScriptedEngine(TARGET, labels=lambda _: {"Yes": 1.0}),
    }
    events = []
    for event in ReasoningRun(PROMPT, models, config(mode, **changes), lambda: 0.0, steering).events():
        events.append(event)
        if when(event):
            getattr(steering, wish)()
            when = lambda _: False  # noqa: E731
    return events


def writing(n):
    return lambda event: isinstance(event, TextWritten) and event.n == n


def test_an_escalated_step_goes_to_the_target_whatever_the_gate_says():
    events = steered(writing(2), "escalate_step")
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.ESCALATED, Origin.DRAFT]
    assert [step.cause for step in steps(events)] == [None, Cause.ESCALATE_STEP, None]
    judged = [event.cause for event in events if isinstance(event, StepJudged) and event.assessment.by is Author.DRAFT]
    assert judged == [None, Cause.ESCALATE_STEP, None]


def test_a_step_the_gate_would_reject_is_escalated_too_and_may_stand():
    draft = ScriptedEngine(DRAFT, labels=lambda text: {"No": 1.0} if "five" in text else {"Yes": 1.0})
    events = steered(writing(2), "escalate_step", draft=draft, reject=0.5)
    assert steps(events)[1].origin is Origin.ESCALATED


def test_a_wish_to_escalate_what_the_target_writes_itself_does_not_wait_for_the_next_step():
    draft = ScriptedEngine(DRAFT, labels=lambda text: {"No": 1.0} if "sixteen" in text else {"Yes": 1.0})
    rewriting = lambda event: isinstance(event, StepOpened) and event.author is Author.TARGET  # noqa: E731
    events = steered(rewriting, "escalate_step", draft=draft, reject=0.5)
    assert [step.origin for step in steps(events)] == [Origin.TARGET, Origin.DRAFT, Origin.DRAFT]


def test_from_the_moment_it_is_wanted_the_target_writes_alone_and_the_draft_in_progress_is_dropped():
    draft = ScriptedEngine(DRAFT, labels=lambda _: {"Yes": 1.0})
    events = steered(writing(2), "target_from_here", draft=draft)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.TARGET, Origin.TARGET]
    assert [step.cause for step in steps(events)] == [None, Cause.TARGET_FROM_HERE, Cause.TARGET_FROM_HERE]
    dropped = [event for event in events if isinstance(event, StepDropped)]
    assert [(event.n, event.reason) for event in dropped] == [(2, "steered")]
    assert events[-1].reply == DRAFT[0] + TARGET[1] + TARGET[2]


def test_a_run_without_a_target_goes_on_as_it_was():
    steering = Steering()
    steering.target_from_here()
    models = {Author.DRAFT: ScriptedEngine(DRAFT)}
    events = list(ReasoningRun(PROMPT, models, config(Mode.DRAFT), lambda: 0.0, steering).events())
    assert events[-1].reply == "".join(DRAFT)


def test_the_target_takes_over_from_a_draft_that_wrote_alone():
    events = steered(writing(1), "target_from_here", mode=Mode.DRAFT)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.TARGET, Origin.TARGET]


@pytest.mark.parametrize("mode", [Mode.CONFSPEC, Mode.TARGET, Mode.DRAFT, Mode.SPECREASON])
def test_an_answer_wanted_now_is_asked_for_in_mid_step_and_written(mode):
    draft, target = Writer(DRAFT, labels=lambda _: {"Yes": 1.0}), Writer(TARGET, labels=lambda _: {"9": 1.0})
    events = steered(writing(1), "answer_now", mode=mode, draft=draft, target=target)
    given = [step for step in steps(events) if step.origin is Origin.INJECTED]
    assert [(step.cause, step.tokens) for step in given] == [(Cause.ANSWER_NOW, 0)]
    assert given[0].text.endswith("Final answer: ")
    assert (events[-1].reason, events[-1].answer) == ("stop", "9")
    assert "".join(step.text for step in steps(events)) == events[-1].reply
    provisional = mode in (Mode.CONFSPEC, Mode.SPECREASON)
    assert any(isinstance(event, StepDropped) for event in events) is provisional


def test_asking_twice_for_the_answer_asks_once():
    steering = Steering()
    models = {Author.TARGET: Writer(TARGET)}
    events = []
    for event in ReasoningRun(PROMPT, models, config(Mode.TARGET), lambda: 0.0, steering).events():
        events.append(event)
        steering.answer_now()
    assert [step.origin for step in steps(events)].count(Origin.INJECTED) == 1
    assert events[-1].answer == "9"


def test_the_answer_is_asked_for_outside_of_an_open_code_block():
    script = ["Code:\n```python\nx = 1\ny = 2\n"]
    events = steered(
        lambda event: isinstance(event, TextWritten) and event.text.startswith("y "),
        "answer_now",
        mode=Mode.TARGET,
        target=Writer(script),
    )
    given = next(step for step in steps(events) if step.origin is Origin.INJECTED)
    assert given.text == "\n```\n\nFinal answer: "


def test_what_a_person_decided_survives_json():
    events = steered(writing(2), "escalate_step")
    assert [from_dict(to_dict(event)) for event in events] == events
    committed = next(event for event in events if isinstance(event, StepCommitted) and event.step.cause)
    assert to_dict(committed)["step"]["cause"] == "escalate_step"


def test_wishes_from_many_threads_are_all_heard():
    steering = Steering()
    threads = [threading.Thread(target=steering.escalate_step) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert steering.take(Cause.ESCALATE_STEP)
    assert not steering.take(Cause.ESCALATE_STEP)
