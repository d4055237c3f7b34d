"""The line above a run."""

import dataclasses

import pytest
from support.recorded_runs import sample
from support.screen import Screen

from confspec_cli.core.events import RunStarted
from confspec_cli.render.choose import choose
from confspec_cli.render.header import header
from confspec_cli.render.options import Show

SETTINGS: dict[str, str | int | float | bool | None] = {
    "pair": "starter",
    "task": "code",
    "accept": 0.9,
    "reject": 0.0,
    "adaptive": True,
    "worth_drafting": True,
    "max_tokens": 512,
}


def started(mode="confspec", **settings):
    first = sample()[0]
    assert isinstance(first, RunStarted)
    return dataclasses.replace(first, mode=mode, parameters=SETTINGS | settings)


@pytest.mark.parametrize(
    ("mode", "settings", "way"),
    [
        ("confspec", {}, "drafting, target checks below 0.90"),
        ("confspec", {"accept": 1.0}, "drafting, target checks every step"),
        ("confspec", {"worth_drafting": False}, "target alone (drafting is slower here)"),
        ("confspec", {"worth_drafting": False, "adaptive": False}, "drafting, target checks below 0.90"),
        ("confspec", {"accept": 0.0}, "drafting, every step accepted"),
        ("confspec", {"reject": 1.0}, "drafting, every step rejected"),
        ("target", {}, "target alone"),
        ("draft", {}, "draft alone"),
        ("specreason", {}, "drafting, target rates every step"),
    ],
)
def test_it_names_the_pair_the_kind_of_work_and_who_writes(mode, settings, way):
    assert header(started(mode, **settings)) == ["starter", "code", way]


def test_of_plain_questions_it_says_that_the_gate_is_not_tuned():
    assert header(started(task="plain", asks=True))[-1] == "drafting, target checks below 0.90 (not tuned)"


def test_a_run_recorded_without_a_pair_s_name_is_told_by_the_rest():
    assert header(started(pair=None)) == ["code", "drafting, target checks below 0.90"]


def test_a_run_whose_kind_of_work_is_not_recorded_has_none():
    assert header(started(task=None)) == []


@pytest.mark.parametrize("width", [40, 80, 200])
def test_in_a_terminal_it_stands_right_above_the_first_step(width, monkeypatch):
    monkeypatch.setattr("rich.console.Console.width", property(lambda _: width))
    screen = Screen(width, 24)
    renderer = choose(screen, screen, Show(), {"TERM": "xterm"}, clock=lambda: 0.0)
    for event in [started(), *sample()[1:]]:
        renderer.handle(event)
    renderer.close()
    above = screen.text.partition(" 1 ✓ draft")[0]
    assert " · ".join(above.strip().splitlines()) == "starter · code · drafting, target checks below 0.90"
    assert len(above.splitlines()) == (2 if width == 40 else 1)


def test_a_pipe_gets_none_of_it():
    log, screen = Screen(80, 24), Screen(80, 24)
    log.isatty = lambda: False
    renderer = choose(log, screen, Show(), {"TERM": "xterm"}, clock=lambda: 0.0)
    for event in [started(), *sample()[1:]]:
        renderer.handle(event)
    renderer.close()
    assert "starter" not in log.text + screen.text
