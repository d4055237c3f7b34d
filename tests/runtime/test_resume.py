"""A conversation goes on with the models and settings it was had with, unless others are asked for."""

from dataclasses import replace

import pytest

from confspec_cli.core.conversation import Conversation
from confspec_cli.core.events import RunFinished, RunStarted
from confspec_cli.core.frontier import ChoiceReason, MeasuredGate
from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Speculation
from confspec_cli.core.real import Real
from confspec_cli.core.run_config import Mode, authors
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import FinishReason
from confspec_cli.engines.scripted import CARD
from confspec_cli.models.registry import load
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair
from confspec_cli.runtime.resume import as_before

TINY = RunOptions(pair="tiny")


@pytest.fixture
def registry():
    return load(None)


def turns(registry, options, **card):
    """A conversation of one turn, had with these options."""
    pair = resolve_pair(registry, options).pair
    names = {"draft": pair.draft, "target": pair.target}
    models = {author.value: replace(CARD, name=names[author.value], **card) for author in authors(options.mode)}
    think = bool(card.get("thinks")) if options.think is None else options.think
    parameters = {**build_config(pair, options).parameters(), "think": think}
    started = RunStarted("Why?", "", options.mode.value, models, parameters)
    return Conversation([started, RunFinished(FinishReason.STOP, "So.", "", None, 1.0)]).turns


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"task": TaskName.CODE},
        {"always_draft": True},
        {"mode": Mode.TARGET},
        {"accept": 0.8, "reject": 0.1},
        {"max_tokens": 99, "max_step_tokens": 33},
        {"temperature": 0.7, "top_k": 7, "top_p": 0.5, "min_p": 0.2},
        {"speculate": Speculation.OFF},
    ],
)
def test_what_was_set_stays(registry, changes):
    had = replace(TINY, **{"task": TaskName.MATH, **changes})
    assert as_before(registry, RunOptions(), turns(registry, had)) == had


def test_a_model_told_not_to_think_does_not_and_one_that_thinks_as_usual_is_told_nothing(registry):
    assert as_before(registry, RunOptions(), turns(registry, replace(TINY, think=False), thinks=True)).think is False
    assert as_before(registry, RunOptions(), turns(registry, TINY, thinks=True)).think is None


def test_what_is_asked_for_now_goes_before(registry):
    had = turns(registry, replace(TINY, temperature=0.7, max_tokens=99, task=TaskName.CODE))
    now = as_before(registry, RunOptions(temperature=0.2, max_tokens=50, task=TaskName.QA), had)
    assert (now.temperature, now.max_tokens, now.task) == (0.2, 50, TaskName.QA)


def test_other_models_bring_their_own_thresholds(registry):
    had = turns(registry, replace(TINY, accept=0.8, max_tokens=99))
    now = as_before(registry, RunOptions(pair="starter"), had)
    assert (now.pair, now.accept, now.max_tokens) == ("starter", None, 99)


def test_a_new_conversation_has_the_usual_settings(registry):
    assert as_before(registry, RunOptions(), ()) == RunOptions()


@pytest.mark.parametrize(
    "damage",
    [
        {"temperature": "hot"},
        {"temperature": float("nan")},
        {"top_k": 10**30},
        {"max_tokens": [1]},
        {"max_tokens": True},
    ],
)
def test_a_setting_that_could_not_be_one_is_left_out(registry, damage):
    (turn,) = turns(registry, TINY)
    started = replace(turn.started, mode="guess", parameters={**turn.started.parameters, **damage})
    again = Conversation([started, RunFinished(FinishReason.STOP, "So.", "", None, 1.0)]).turns
    assert as_before(registry, RunOptions(), again) == as_before(registry, RunOptions(), [turn])


def test_a_gate_the_machine_chose_is_chosen_anew_and_one_that_was_asked_for_stays(registry):
    pair = registry.pairs["tiny"]
    how = pair.calibrations.math
    measured = MeasuredGate("careful", Gate(accept=1.0), 50, 0.0, 0.01, *map(Real, (9, 0, 9, 3, 10)))
    pair = replace(pair, calibrations=replace(pair.calibrations, math=replace(how, frontier=(measured,))))
    registry = replace(registry, pairs={**registry.pairs, "tiny": pair})
    (turn,) = turns(registry, TINY)

    def had(name, reason):
        chosen = {**turn.started.parameters, "accept": 1.0, "gate": name, "gate_reason": reason.value}
        started = replace(turn.started, parameters=chosen)
        return Conversation([started, RunFinished(FinishReason.STOP, "So.", "", None, 1.0)]).turns

    usual = as_before(registry, RunOptions(), [turn])
    assert as_before(registry, RunOptions(), had("careful", ChoiceReason.FASTEST)) == usual
    asked = had("careful", ChoiceReason.ASKED_FOR)
    assert as_before(registry, RunOptions(), asked) == replace(usual, gate="careful")
    assert as_before(registry, RunOptions(gate="target"), asked).gate == "target"
    assert as_before(registry, RunOptions(), had("gone", ChoiceReason.ASKED_FOR)) == usual
