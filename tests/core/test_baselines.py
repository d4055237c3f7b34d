"""One model alone, SpecReason, and chance; a gate that decides everything comes to the same as one model alone."""

from dataclasses import replace

import pytest
from support.small_runs import DRAFT, PROMPT, TARGET, config, play, steps

from confspec_cli.core.events import (
    StepCommitted,
)
from confspec_cli.core.messages import Sampling
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, authors
from confspec_cli.core.trace import Author, Origin
from confspec_cli.engines.scripted import ScriptedEngine


@pytest.mark.parametrize("labels", [{"Yes": 1.0}, {"No": 1.0}, {}])
def test_a_gate_that_accepts_all_is_the_draft_and_one_that_rejects_all_is_the_target(labels):
    engines = [ScriptedEngine(script, labels=lambda _: labels) for script in (DRAFT, TARGET)]
    alone = [play(*engines, mode=mode)[-1].reply for mode in (Mode.DRAFT, Mode.TARGET)]
    assert play(*engines, accept=0.0, reject=0.0)[-1].reply == alone[0] == "".join(DRAFT)
    assert play(*engines, accept=1.0, reject=1.0)[-1].reply == alone[1] == "".join(TARGET)


def test_a_gate_that_accepts_all_is_the_draft_also_where_it_repeats_itself():
    said = ("It is twelve, I think.\n\n",) * 5
    engines = [ScriptedEngine(said), ScriptedEngine(TARGET)]
    alone, accepted = play(*engines, mode=Mode.DRAFT)[-1], play(*engines, accept=0.0)[-1]
    assert (accepted.reply, accepted.reason) == (alone.reply, alone.reason)
    assert accepted.reply == "".join(said[:3])


def test_specreason_has_the_target_rate_every_step():
    rated = ScriptedEngine(TARGET, labels=lambda text: {"9": 1.0} if "five" not in text else {"3": 1.0})
    draft = ScriptedEngine(DRAFT)
    events = play(draft, rated, mode=Mode.SPECREASON)
    assert [step.origin for step in steps(events)] == [Origin.ESCALATED, Origin.TARGET, Origin.ESCALATED]
    assert set(draft.calls) == {"generate"}


@pytest.mark.parametrize(
    ("digits", "stands"),
    [
        ({"7": 0.6, "0": 0.4}, True),  # of which the expected value is 4.2
        ({"6": 0.4, "9": 0.35, "8": 0.25}, False),  # and here 7.5
        ({"9": 0.4}, False),  # more likely no digit at all
        ({}, False),
    ],
)
def test_in_specreason_the_likeliest_digit_counts(digits, stands):
    rated = ScriptedEngine(TARGET, labels=lambda _: digits)
    first = steps(play(ScriptedEngine(DRAFT), rated, mode=Mode.SPECREASON))[0]
    assert (first.origin is Origin.ESCALATED) == stands


def test_a_gate_by_chance_asks_no_model_and_at_its_ends_is_one_model_alone():
    draft, target = ScriptedEngine(DRAFT), ScriptedEngine(TARGET)
    always, never = (play(draft, target, random_rate=rate) for rate in (1.0, 0.0))
    assert always[-1].reply == "".join(DRAFT)
    assert never[-1].reply == "".join(TARGET)
    assert {step.origin for step in steps(always)} == {Origin.DRAFT}
    assert {step.origin for step in steps(never)} == {Origin.TARGET}
    assert set(draft.calls) | set(target.calls) == {"generate"}


def test_a_gate_by_chance_accepts_as_often_as_it_is_told_and_the_same_steps_each_time():
    def origins(seed):
        sampling = Sampling(seed=seed)
        events = play(ScriptedEngine(DRAFT), ScriptedEngine(TARGET), random_rate=0.7, sampling=sampling)
        return [step.origin for step in steps(events)]

    drawn = [origin for seed in range(200) for origin in origins(seed)]
    assert 0.64 < drawn.count(Origin.DRAFT) / len(drawn) < 0.76
    assert origins(5) == origins(5)


def test_sole_modes_need_one_model_alone():
    assert authors(Mode.DRAFT) == (Author.DRAFT,)
    assert authors(Mode.TARGET) == (Author.TARGET,)
    assert list(
        ReasoningRun(PROMPT, {Author.TARGET: ScriptedEngine(TARGET)}, config(Mode.TARGET), lambda: 0.0).events()
    )


def hot(seed, **changes):
    sampling = Sampling(temperature=1.0, top_k=1_000_000, top_p=1.0, min_p=0.0, seed=seed)
    return replace(config(**changes), sampling=sampling, max_tokens=120, max_step_tokens=20)


@pytest.fixture
def twins(tiny, load):
    """One file in both roles."""
    return {author: load(tiny("llama", bias={"<|im_end|>": -5})) for author in Author}


def text_of(models, config):
    events = ReasoningRun(PROMPT, models, config, lambda: 0.0).events()
    return "".join(event.step.text for event in events if isinstance(event, StepCommitted))


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_at_a_temperature_too_a_gate_that_decides_everything_is_one_model_alone(twins, seed):
    draft, target = (text_of(twins, hot(seed, mode=mode)) for mode in (Mode.DRAFT, Mode.TARGET))
    assert text_of(twins, hot(seed, accept=0.0)) == draft
    assert text_of(twins, hot(seed, accept=1.0, reject=1.0)) == target
    assert draft != target
    assert text_of(twins, hot(seed, mode=Mode.TARGET)) == target, "a seed gives the same text again"


def test_the_target_draws_anew_what_the_draft_has_drawn(twins):
    rejected = [
        event.step
        for seed in range(3)
        for event in ReasoningRun(PROMPT, twins, hot(seed, accept=1.0, reject=1.0), lambda: 0.0).events()
        if isinstance(event, StepCommitted) and event.step.rejected_text
    ]
    assert len(rejected) >= 15
    assert not [step for step in rejected if step.text == step.rejected_text]
    assert sum(step.text[:4] == step.rejected_text[:4] for step in rejected) < len(rejected) / 3
