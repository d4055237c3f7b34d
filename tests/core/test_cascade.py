"""One step on scripted engines: who is asked, who writes, what is recorded."""

import math

import pytest
from support.small_runs import DRAFT, TARGET, play, says, steps, unsure_at

from confspec_cli.core.events import (
    RunFinished,
    StepDropped,
)
from confspec_cli.core.gate import Signal
from confspec_cli.core.stats import fold
from confspec_cli.core.trace import Author, Cause, FinishReason, Origin
from confspec_cli.engines.scripted import ScriptedEngine


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


def test_the_likelihood_gate_escalates_a_step_with_a_surprising_token():
    unsure = lambda text: math.log(0.1 if "five" in text else 0.9)  # noqa: E731
    draft = ScriptedEngine(DRAFT, likelihood=unsure)
    target = ScriptedEngine(TARGET, likelihood=unsure)
    events = play(draft, target, signal=Signal.LIKELIHOOD, accept=0.5, target=0.2)
    assert [step.origin for step in steps(events)] == [Origin.DRAFT, Origin.TARGET, Origin.DRAFT]
    assert steps(events)[1].confidence == pytest.approx(0.1)
    assert steps(events)[1].threshold == 0.2


def test_a_gate_may_have_the_target_write_the_first_step():
    events = play(ScriptedEngine(DRAFT), ScriptedEngine(TARGET), accept=0.5, target_first=True)
    first, *rest = steps(events)
    assert (first.origin, first.cause, first.text) == (Origin.TARGET, Cause.TARGET_FIRST, TARGET[0])
    assert {step.origin for step in rest} == {Origin.DRAFT}
    everything = play(ScriptedEngine(DRAFT), ScriptedEngine(TARGET), accept=0, target_first=True)
    assert everything[-1].reply == "".join(DRAFT)


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
