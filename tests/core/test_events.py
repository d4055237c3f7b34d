"""Events: every one survives the way through JSON, and later versions can be read."""

import json
import typing
from dataclasses import replace

import pytest
from support.recorded_runs import Recorder, sample

from confspec_cli.core.events import (
    DraftingSwitched,
    Event,
    GateChosen,
    RunFinished,
    RunStarted,
    SessionNamed,
    StepCommitted,
    StepOpened,
    StepPrefetched,
    SystemChanged,
    TurnsForgotten,
    TurnsUndone,
    Warned,
    from_dict,
    to_dict,
)
from confspec_cli.core.frontier import ChoiceReason
from confspec_cli.core.trace import Author, FinishReason


def every_event():
    run = Recorder()
    run.warn("slow")
    turned = DraftingSwitched(4, on=False, gain=-0.4)
    ahead = StepPrefetched(5, tokens=12, used=9, waited=0.01)
    chosen = GateChosen("read", 2.0, 3.0, ChoiceReason.FASTEST, is_measured=True)
    between = [SessionNamed("maths"), SystemChanged("Be brief."), TurnsUndone(2), TurnsForgotten(3, "It was about 42.")]
    return [*sample(), *run.finish(partial="and so", reason=FinishReason.LENGTH), chosen, turned, ahead, *between]


@pytest.mark.parametrize("event", every_event(), ids=lambda event: type(event).__name__)
def test_an_event_survives_the_way_through_json(event):
    assert from_dict(json.loads(json.dumps(to_dict(event)))) == event


def test_the_sample_holds_every_kind_of_event():
    assert {type(event) for event in every_event()} == set(typing.get_args(Event))


def test_any_character_survives_the_way_through_json():
    event = Warned("a\x1b[31m \x9b \ud800 所以 🎉 </think>\n\t\x00")
    assert from_dict(json.loads(json.dumps(to_dict(event)))) == event


def test_an_event_of_a_later_version_is_none_of_ours():
    assert from_dict({"event": "StepSalvaged", "n": 3}) is None


def test_fields_of_a_later_version_are_dropped_at_any_depth():
    event = next(event for event in sample() if isinstance(event, StepCommitted))
    record = to_dict(event) | {"later": 1}
    record["step"]["later"] = 1
    record["step"]["assessments"][0]["verdict"]["later"] = 1
    assert from_dict(record) == event


def test_a_field_with_a_default_may_be_missing():
    record = to_dict(sample()[0])
    del record["schema_version"], record["models"]["draft"]["gpu_layers"]
    event = from_dict(record)
    assert isinstance(event, RunStarted)
    assert event.models["draft"].gpu_layers == 0


@pytest.mark.parametrize(
    "record",
    [
        {"event": "StepOpened", "n": 1, "author": "draft"},
        {"event": "StepOpened", "n": 1, "author": 1, "provisional": True},
        {"event": "StepCommitted", "step": None},
        {"event": "StepCommitted", "step": "text"},
        {"event": "RunStarted", "prompt": "", "system": "", "mode": "", "models": None, "parameters": {}},
    ],
)
def test_a_record_with_missing_or_wrong_fields_is_refused(record):
    with pytest.raises(ValueError, match=r"."):
        from_dict(record)


def test_events_carry_enumerations_by_value():
    assert to_dict(StepOpened(1, Author.DRAFT, True)) == {
        "event": "StepOpened",
        "n": 1,
        "author": "draft",
        "provisional": True,
    }
    assert to_dict(RunFinished(FinishReason.STOP, "42", "", None, 1.5))["answer"] is None


@pytest.mark.parametrize(
    ("field", "value"),
    [("text", 5), ("tokens", "5"), ("ended", 1), ("seconds", "x"), ("signal", "high"), ("origin", 1)],
)
def test_a_field_of_the_wrong_type_is_a_value_error(field, value):
    record = next(to_dict(event) for event in sample() if isinstance(event, StepCommitted))
    record["step"][field] = value
    with pytest.raises(ValueError, match=r"StepCommitted|Origin"):
        from_dict(record)


@pytest.mark.parametrize("seconds", ["NaN", "Infinity", "1e400", "1" + "0" * 400])
def test_a_time_that_is_no_number_is_refused(seconds):
    rest = '"reason": "stop", "reply": "", "partial": "", "answer": null'
    record = json.loads(f'{{"event": "RunFinished", {rest}, "seconds": {seconds}}}')
    with pytest.raises(ValueError, match="no RunFinished as confspec writes it"):
        from_dict(record)


def test_a_word_of_a_later_version_costs_the_event_that_turns_on_it_and_no_other():
    finished = to_dict(RunFinished(FinishReason.STOP, "42", "", None, 1.5))
    assert from_dict({**finished, "reason": "bored"}) is None
    committed = next(event for event in sample() if isinstance(event, StepCommitted))
    record = to_dict(committed)
    record["step"]["cause"] = "whim"
    assert from_dict(record) == replace(committed, step=replace(committed.step, cause=None))
