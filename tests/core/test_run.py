"""A whole reply on scripted engines: how it goes on, how it ends, and what is left of it."""

import time
from collections.abc import Generator
from dataclasses import replace

import pytest
from support.small_runs import DRAFT, PROMPT, TARGET, config, play, says, steps, unsure_at

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import (
    RunStarted,
    StepDropped,
    StepJudged,
    StepWritten,
    TextWritten,
    Warned,
    from_dict,
    to_dict,
)
from confspec_cli.core.gate import Signal
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author, Cause, FinishReason, Origin
from confspec_cli.engines.scripted import CARD, ScriptedEngine


def test_a_repeated_step_goes_to_the_target_and_a_second_repeat_in_a_row_ends_the_run():
    loop = ScriptedEngine([DRAFT[0]] * 9, labels=lambda _: {"Yes": 1.0})
    saved = play(loop, ScriptedEngine(TARGET))
    assert [step.origin for step in steps(saved)][:2] == [Origin.DRAFT, Origin.TARGET]
    assert next(event.reason for event in saved if isinstance(event, StepDropped)) == "repeated"
    stuck = play(loop, ScriptedEngine([DRAFT[0]] * 9))
    assert stuck[-1].reason == "repetition"
    assert len(steps(stuck)) == 3


def test_a_model_that_writes_nothing_and_does_not_end_ends_the_run():
    class Mute(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            yield from ()

    assert play(ScriptedEngine(DRAFT), Mute(()), mode=Mode.TARGET)[-1].reason == "repetition"


def test_the_token_budget_ends_the_run_in_mid_step_and_keeps_what_there_is():
    events = play(ScriptedEngine(DRAFT), ScriptedEngine(TARGET), mode=Mode.TARGET, max_tokens=8)
    assert events[-1].reason == "length"
    assert events[-1].reply.startswith(TARGET[0])
    assert sum(step.tokens for step in steps(events)) == 8


def test_a_long_step_is_cut_at_max_step_tokens_and_joined_again_it_is_the_same_text():
    events = play(
        ScriptedEngine(["one two three four five six seven eight"]),
        ScriptedEngine(()),
        mode=Mode.DRAFT,
        max_step_tokens=3,
    )
    assert [step.tokens for step in steps(events)][:1] == [3]


def test_a_full_context_keeps_the_committed_steps_and_the_target_s_unfinished_one():
    small = replace(CARD, context=12)
    events = play(ScriptedEngine(DRAFT), ScriptedEngine(TARGET, card=small), mode=Mode.TARGET)
    assert events[-1].reason == "context"
    assert events[-1].reply.startswith(TARGET[0])


def test_an_interrupt_ends_the_run_between_tokens_and_provisional_words_stay_out_of_the_reply():
    interrupt = Interrupt()
    engines = [ScriptedEngine(script, interrupt=interrupt) for script in (DRAFT, TARGET)]
    cascade = ReasoningRun(PROMPT, dict(zip(Author, engines, strict=True)), config(), lambda: 0.0)
    seen = []
    for event in cascade.events():
        seen.append(event)
        if isinstance(event, TextWritten) and event.n == 2:
            interrupt.set()
    assert seen[-1].reason == "interrupted"
    assert seen[-1].reply == DRAFT[0]


def test_text_that_is_cut_off_counts_in_the_statistics():
    interrupt = Interrupt()
    target = ScriptedEngine(TARGET, interrupt=interrupt)
    seen = []
    for event in ReasoningRun(PROMPT, {Author.TARGET: target}, config(mode=Mode.TARGET), lambda: 0.0).events():
        seen.append(event)
        if [type(each) for each in seen].count(TextWritten) == 3:
            interrupt.set()
    assert seen[-1].partial
    assert (seen[-1].partial_tokens, seen[-1].partial_author) == (3, Author.TARGET)
    assert fold(seen).tokens == {Author.DRAFT: 0, Author.TARGET: 3}


def test_the_record_holds_everything_and_survives_json():
    events = play(ScriptedEngine(DRAFT, labels=says("five")), ScriptedEngine(TARGET))
    assert [from_dict(to_dict(event)) for event in events] == events
    started = events[0]
    assert isinstance(started, RunStarted)
    assert (started.prompt, started.system, started.mode) == ("How many eggs?", "Reason.", "confspec")
    assert started.parameters["accept"] == 0.95
    judged = [event for event in events if isinstance(event, StepJudged)]
    assert judged[0].threshold == 0.95


def test_thinking_is_cut_from_the_reply():
    prompt = replace(PROMPT, think=True)
    script = ["We count the eggs one by one.\n\n", "So it is nine.\n</think>\n\n", "Nine eggs."]
    events = list(
        ReasoningRun(prompt, {Author.TARGET: ScriptedEngine(script)}, config(Mode.TARGET), lambda: 0.0).events()
    )
    assert events[-1].reply == "Nine eggs."
    assert "".join(step.text for step in steps(events)) == "".join(script)


def test_what_each_model_had_to_read_for_a_step_is_on_record():
    target = ScriptedEngine(TARGET, labels=lambda text: {"No": 1.0} if "five" in text else {"Yes": 1.0})
    events = play(ScriptedEngine(DRAFT, labels=says("uses")), target)
    judged = [event for event in events if isinstance(event, StepJudged)]
    question = len(QUESTIONS["correct"].text.split())
    words = [len(text.split()) for text in DRAFT]
    prompt = sum(len(message.content.split()) for message in PROMPT.messages)
    asked = next(event.assessment for event in judged if event.assessment.by is Author.TARGET)
    assert all(event.assessment.tokens == question for event in judged if event.assessment.by is Author.DRAFT)
    assert asked.prefill_tokens == prompt + words[0]
    assert asked.tokens == words[1] + question
    written = [event.written_step for event in events if isinstance(event, StepWritten)]
    assert [written_step.prefill_tokens for written_step in written[:2]] == [prompt, 0]
    assert written[2].author is Author.TARGET and written[2].prefill_tokens == 0
    assert written[3].prefill_tokens == len(TARGET[1].split())  # the draft reads what the target wrote instead


@pytest.mark.parametrize(("context", "changes"), [(22, {}), (9, {"signal": Signal.LIKELIHOOD, "asks": False})])
def test_the_target_goes_on_alone_where_the_context_has_no_room_for_drafting(context, changes):
    """In the first case there is no room left to verify the second step, in the other not even to write it."""
    draft = ScriptedEngine(DRAFT, labels=lambda _: {"Yes": 1.0}, card=replace(CARD, context=context))
    events = play(draft, ScriptedEngine(TARGET), accept=0.5, **changes)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.TARGET, Origin.TARGET]
    assert [step.cause for step in steps(events)] == [None, Cause.DRAFT_FULL, Cause.DRAFT_FULL]
    assert [event.message for event in events if isinstance(event, Warned)] == [
        "The context has no room left for drafting; the target writes the rest alone."
    ]
    assert (events[-1].reason, events[-1].reply) == (FinishReason.STOP, DRAFT[0] + TARGET[1] + TARGET[2])


@pytest.mark.parametrize("context", [12, 14])
def test_a_run_ends_when_the_target_s_context_is_full_whatever_the_draft_s(context):
    draft = ScriptedEngine(DRAFT, labels=lambda _: {"No": 1.0})
    events = play(draft, ScriptedEngine(TARGET, card=replace(CARD, context=context)), reject=0.5)
    assert events[-1].reason is FinishReason.CONTEXT
    assert not [event for event in events if isinstance(event, Warned)]
    written = [event.text for event in events if isinstance(event, TextWritten) and event.author is Author.TARGET]
    assert events[-1].reply == "".join(written)


def test_of_a_salvaged_step_cut_off_both_parts_are_in_the_reply():
    interrupt = Interrupt()
    draft = ScriptedEngine(DRAFT, likelihood=unsure_at("sixteen"))
    target = ScriptedEngine(("", "12 eggs to begin with.\n\n"), interrupt=interrupt, likelihood=unsure_at("nothing"))
    models = {Author.DRAFT: draft, Author.TARGET: target}
    salvaging = config(signal=Signal.LIKELIHOOD, accept=0.8, target=0.5, min_token_prob=0.3)
    for event in ReasoningRun(PROMPT, models, salvaging, lambda: 0.0).events():
        if isinstance(event, TextWritten) and event.author is Author.TARGET:
            interrupt.set()
    assert (event.reason, event.reply, event.partial) == (FinishReason.INTERRUPTED, "She has 12 ", "She has 12 ")


class Watched(ScriptedEngine):
    """Counts the generations that were begun and those that were closed."""

    begun = closed = 0

    def generate(self, prompt, sampling, max_tokens):
        Watched.begun += 1
        try:
            yield from ScriptedEngine.generate(self, prompt, sampling, max_tokens)
        finally:
            Watched.closed += 1


@pytest.mark.parametrize("events_before", range(1, 30))
def test_a_run_left_anywhere_leaves_no_model_writing(events_before):
    Watched.begun = Watched.closed = 0
    labels = lambda _: (time.sleep(0.002), {"Yes": 0.5, "No": 0.5})[1]  # noqa: E731
    models = {author: Watched(DRAFT, labels=labels) for author in Author}
    run = ReasoningRun(PROMPT, models, config(), time.perf_counter)
    events = run.events()
    for _ in range(events_before):
        next(events)
    assert isinstance(events, Generator)
    events.close()
    assert Watched.begun == Watched.closed
    assert Watched.begun or events_before < 3


def test_a_draft_whose_context_fills_in_mid_step_leaves_the_rest_to_the_target(tiny, load):
    quiet = {"<|im_end|>": -9}
    draft, target = load(tiny(seed=2, bias=quiet), context=256), load(tiny(seed=3, bias=quiet), context=1024)
    drafting = replace(config(accept=0.0, asks=False, max_step_tokens=100), max_tokens=400)
    models = {Author.DRAFT: draft, Author.TARGET: target}
    events = list(ReasoningRun(PROMPT, models, drafting, lambda: 0.0).events())
    origins = [step.origin for step in steps(events)]
    switch = origins.index(Origin.TARGET)
    assert set(origins[:switch]) == {Origin.DRAFT}
    assert set(origins[switch:]) == {Origin.TARGET}
    assert events[-1].reason is FinishReason.LENGTH
    assert sum(step.tokens for step in steps(events)) == 400
