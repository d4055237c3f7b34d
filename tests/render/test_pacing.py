"""A recorded run at its own speed: nothing is lost, and the waits add up to what it took."""

import json
import time

import pytest
from support.recorded_runs import sample

from confspec_cli.app import main
from confspec_cli.core.events import StepJudged, StepWritten, TextWritten, to_dict
from confspec_cli.render.pacing import paced


def seconds(events):
    """What the models took, by the events."""
    written = sum(event.written_step.seconds for event in events if isinstance(event, StepWritten))
    judged = [event.assessment for event in events if isinstance(event, StepJudged)]
    return written + sum(one.seconds + one.prefill_seconds for one in judged)


@pytest.mark.parametrize("has_text", [True, False])
@pytest.mark.parametrize("speed", [1, 4])
def test_the_events_are_the_same_and_the_waits_add_up(has_text, speed):
    events = [event for event in sample() if has_text or not isinstance(event, TextWritten)]
    waits = []
    assert list(paced(events, speed, waits.append)) == events
    assert sum(waits) == pytest.approx(seconds(events) / speed)


def test_each_piece_of_text_comes_when_it_was_written():
    waits: list[float] = []
    before = [(type(event), sum(waits)) for event in paced(sample(), 1, waits.append)]
    first = [kind for kind, _ in before].index(StepWritten)
    step = next(event.written_step for event in sample() if isinstance(event, StepWritten))
    times = [passed for kind, passed in before[:first] if kind is TextWritten]
    assert times == sorted(set(times))
    assert times[0] >= step.prefill_seconds
    assert times[-1] == pytest.approx(step.seconds)


def test_a_run_that_was_cut_off_loses_nothing():
    events = sample()
    cut = events[: next(number for number, event in enumerate(events) if isinstance(event, TextWritten)) + 1]
    assert list(paced(cut, 1, lambda _: None)) == cut


def test_replay_takes_a_speed(tmp_path, monkeypatch, capsys):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    file = tmp_path / "run.jsonl"
    file.write_text("".join(json.dumps(to_dict(event)) + "\n" for event in sample()))
    assert main(["replay", str(file), "--speed", "10"]) == 0
    assert sum(waits) == pytest.approx(seconds(sample()) / 10)
    assert "42" in capsys.readouterr().out
    assert main(["replay", str(file), "--speed", "0"]) == 2
