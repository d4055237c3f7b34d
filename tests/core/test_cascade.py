"""The algorithm on scripted engines: who is asked, who writes, what is recorded."""

import itertools
import math
from dataclasses import replace

import pytest
from support.small_runs import DRAFT, PROMPT, TARGET, config, play, says, steps, unsure_at

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import (
    DraftingSwitched,
    RunFinished,
    RunStarted,
    StepDropped,
    StepJudged,
    StepWritten,
    TextWritten,
    from_dict,
    to_dict,
)
from confspec_cli.core.gate import Signal
from confspec_cli.core.policy import adaptive_drafting
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, authors
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author, Cause, FinishReason, Origin
from confspec_cli.engines.scripted import CARD, ScriptedEngine


def test_the_three_origins_come_from_a_confident_an_uncertain_and_a_wrong_step():
    draft = ScriptedEngine(
        DRAFT, labels=lambda text: {"Yes": 0.5, "No": 0.5} if "She" not in text or "uses" in text else {"Yes": 1.0}
    )
    target = ScriptedEngine(TARGET, labels=lambda text: {"No": 1.0} if "five" in text else {"Yes": 1.0})
    events = play(draft, target)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.TARGET, Origin.ESCALATED]
    assert [step.text for step in steps(events)] == [DRAFT[0], TARGET[1], DRAFT[2]]
    rewritten = steps(events)[1]
    assert rewritten.rejected_text == DRAFT[1]
    assert [assessment.by for assessment in rewritten.assessments] == [Author.DRAFT, Author.TARGET]
    assert all(assessment.verdict and assessment.likelihood for assessment in rewritten.assessments)
    assert events[-1] == RunFinished(
        FinishReason.STOP, DRAFT[0] + TARGET[1] + DRAFT[2], "", "8", events[-1].seconds, "8"
    )


def test_a_confident_draft_never_touches_the_target():
    target = ScriptedEngine(TARGET)
    events = play(ScriptedEngine(DRAFT, labels=lambda _: {"Yes": 1.0}), target)
    assert target.calls == []
    assert events[-1].reply == "".join(DRAFT)


def test_a_step_below_reject_goes_to_the_target_unasked():
    target = ScriptedEngine(TARGET)
    events = play(ScriptedEngine(DRAFT, labels=lambda _: {"No": 1.0}), target, reject=0.2)
    assert set(target.calls) == {"generate"}
    assert events[-1].reply == "".join(TARGET)


@pytest.mark.parametrize("labels", [{"Yes": 1.0}, {"No": 1.0}, {}])
def test_a_gate_that_accepts_all_is_the_draft_and_one_that_rejects_all_is_the_target(labels):
    engines = [ScriptedEngine(script, labels=lambda _: labels) for script in (DRAFT, TARGET)]
    alone = [play(*engines, mode=mode)[-1].reply for mode in (Mode.DRAFT, Mode.TARGET)]
    assert play(*engines, accept=0.0, reject=0.0)[-1].reply == alone[0] == "".join(DRAFT)
    assert play(*engines, accept=1.0, reject=1.0)[-1].reply == alone[1] == "".join(TARGET)


def test_the_likelihood_gate_escalates_a_step_with_a_surprising_token():
    unsure = lambda text: math.log(0.1 if "five" in text else 0.9)  # noqa: E731
    draft = ScriptedEngine(DRAFT, likelihood=unsure)
    target = ScriptedEngine(TARGET, likelihood=unsure)
    events = play(draft, target, signal=Signal.LIKELIHOOD, accept=0.5, target=0.2)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.TARGET, Origin.DRAFT]
    assert steps(events)[1].confidence == pytest.approx(0.1)
    assert steps(events)[1].threshold == 0.2


def test_specreason_has_the_target_rate_every_step():
    rated = ScriptedEngine(TARGET, labels=lambda text: {"9": 1.0} if "five" not in text else {"3": 1.0})
    draft = ScriptedEngine(DRAFT)
    events = play(draft, rated, mode=Mode.SPECREASON)
    assert [step.origin for step in steps(events)] == [Origin.ESCALATED, Origin.TARGET, Origin.ESCALATED]
    assert set(draft.calls) == {"generate"}


def test_a_repeated_step_goes_to_the_target_and_a_second_repeat_in_a_row_ends_the_run():
    loop = ScriptedEngine([DRAFT[0]] * 9, labels=lambda _: {"Yes": 1.0})
    saved = play(loop, ScriptedEngine(TARGET))
    assert [step.origin for step in steps(saved)][:2] == [Origin.DRAFT, Origin.TARGET]
    assert next(event.reason for event in saved if isinstance(event, StepDropped)) == "repeated"
    stuck = play(loop, ScriptedEngine([DRAFT[0]] * 9))
    assert stuck[-1].reason == "repetition"
    assert len(steps(stuck)) == 3


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


def test_the_record_holds_everything_and_survives_json():
    events = play(ScriptedEngine(DRAFT, labels=says("five")), ScriptedEngine(TARGET))
    assert [from_dict(to_dict(event)) for event in events] == events
    started = events[0]
    assert isinstance(started, RunStarted)
    assert (started.prompt, started.system, started.mode) == ("How many eggs?", "Reason.", "confspec")
    assert started.parameters["accept"] == 0.95
    judged = [event for event in events if isinstance(event, StepJudged)]
    assert judged[0].threshold == 0.95


def test_sole_modes_need_one_model_alone():
    assert authors(Mode.DRAFT) == (Author.DRAFT,)
    assert authors(Mode.TARGET) == (Author.TARGET,)
    assert list(
        ReasoningRun(PROMPT, {Author.TARGET: ScriptedEngine(TARGET)}, config(Mode.TARGET), lambda: 0.0).events()
    )


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


def test_a_draft_stops_before_a_token_it_finds_too_unlikely_and_the_target_writes_on():
    draft = ScriptedEngine(
        ("She has sixteen eggs at first.\n\n", "", "So \\boxed{8} are left."), likelihood=unsure_at("sixteen")
    )
    target = ScriptedEngine(("There are 16 eggs.\n\n", "12 eggs to begin with.\n\n"), likelihood=unsure_at("nothing"))
    events = play(draft, target, signal=Signal.LIKELIHOOD, accept=0.8, target=0.5, min_token_prob=0.3)
    first, second = steps(events)
    assert (first.origin, first.text, first.kept) == (Origin.SALVAGED, "She has 12 eggs to begin with.\n\n", "She has ")
    assert first.tokens == 2 + 5 and first.kept_tokens == 2
    assert first.cause is Cause.UNSURE
    assert [assessment.by for assessment in first.assessments] == [Author.DRAFT, Author.TARGET]
    assert second.origin is Origin.DRAFT
    dropped = next(event for event in events if isinstance(event, StepDropped))
    assert (dropped.reason, dropped.kept, dropped.written_step.text) == ("unsure", "She has ", "She has ")
    stats = fold(events)
    assert (stats.tokens[Author.TARGET], stats.wasted_tokens) == (5, 0)


def test_of_a_rejected_draft_stays_what_the_target_finds_likely():
    draft = ScriptedEngine(
        ("She has sixteen eggs at first.\n\n", "", "So \\boxed{8} are left."), likelihood=unsure_at("eggs")
    )
    target = ScriptedEngine(("", "to begin with.\n\n"), likelihood=unsure_at("eggs"))
    events = play(draft, target, signal=Signal.LIKELIHOOD, accept=0.8, target=0.5, min_token_prob=0.05)
    first = steps(events)[0]
    assert (first.origin, first.text, first.kept) == (
        Origin.SALVAGED,
        "She has sixteen to begin with.\n\n",
        "She has sixteen ",
    )
    assert first.rejected_text == "She has sixteen eggs at first.\n\n"
    assert fold(events).wasted_tokens == 3


def test_a_draft_unsure_of_its_first_word_leaves_the_step_to_the_target():
    draft = ScriptedEngine(
        ("She has sixteen eggs at first.\n\n", "So \\boxed{8} are left."), likelihood=unsure_at("She")
    )
    target = ScriptedEngine(("There are 16 eggs.\n\n",))
    events = play(draft, target, signal=Signal.LIKELIHOOD, accept=0.8, target=0.5, min_token_prob=0.3)
    first = steps(events)[0]
    assert (first.origin, first.text, first.assessments, first.cause) == (
        Origin.TARGET,
        "There are 16 eggs.\n\n",
        (),
        Cause.UNSURE,
    )
    assert target.calls[0] == "generate"


@pytest.mark.parametrize(("changes", "said"), [({"accept": 0.0}, DRAFT), ({"accept": 1.0, "reject": 1.0}, TARGET)])
def test_a_gate_that_decides_alone_lets_no_draft_stop(changes, said):
    draft = ScriptedEngine(DRAFT, likelihood=lambda _: math.log(0.1))
    events = play(draft, ScriptedEngine(TARGET), signal=Signal.LIKELIHOOD, min_token_prob=0.5, **changes)
    assert events[-1].reply == "".join(said)


def test_where_the_gate_looks_at_likelihoods_alone_nobody_need_be_asked():
    draft = ScriptedEngine(DRAFT, likelihood=unsure_at("uses"))
    target = ScriptedEngine(TARGET, likelihood=unsure_at("nothing"))
    events = play(draft, target, signal=Signal.LIKELIHOOD, accept=0.8, target=0.5, asks=False)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.ESCALATED, Origin.DRAFT]
    assert all(assessment.verdict is None for step in steps(events) for assessment in step.assessments)
    assert not {"label_probs"} & {*draft.calls, *target.calls}
    asked = play(ScriptedEngine(DRAFT, labels=says("uses")), ScriptedEngine(TARGET), asks=False)
    assert all(assessment.verdict for step in steps(asked) for assessment in step.assessments)


def test_where_drafting_does_not_pay_the_target_writes_alone_and_says_so():
    many = [f"This is draft number {n} of many.\n\n" for n in range(56)]
    better = [f"Here is step number {n} instead.\n\n" for n in range(56)]
    draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
    target = ScriptedEngine((*better, "So \\boxed{9}."), labels=lambda _: {"No": 1.0})
    events = play(draft, target, controlled=True, max_tokens=1000)
    turned = [event for event in events if isinstance(event, DraftingSwitched)]
    assert [event.on for event in turned] == [False, True, False]
    assert all(event.gain < 0 for event in turned)
    alone = [step for step in steps(events) if step.cause is Cause.NOT_PAYING]
    assert len(alone) >= 48
    assert all(step.origin is Origin.TARGET and not step.assessments for step in alone)
    stats = fold(events)
    assert (stats.undrafted, stats.turns) == (len(alone), 3)
    assert events[-1].reply == "".join((*better, "So \\boxed{9}."))


def test_a_controller_passed_on_spares_the_next_run_what_did_not_pay_in_the_last():
    many = [f"This is draft number {n} of many.\n\n" for n in range(10)]
    better = [f"Here is step number {n} instead.\n\n" for n in range(10)]
    controlled = config(controlled=True)
    drafting = adaptive_drafting(controlled)
    first = []
    for _ in range(2):
        draft = ScriptedEngine((*many, "So \\boxed{8}."), labels=lambda _: {"Yes": 0.5, "No": 0.5})
        target = ScriptedEngine((*better, "So \\boxed{9}."), labels=lambda _: {"No": 1.0})
        ticks = itertools.count()
        models = {Author.DRAFT: draft, Author.TARGET: target}
        cascade = ReasoningRun(PROMPT, models, controlled, lambda ticks=ticks: float(next(ticks)), drafting=drafting)
        first.append(steps(cascade.events())[0].cause)
    assert first == [None, Cause.NOT_PAYING]
