"""The step view behind its view_, on a small terminal."""

import pytest
from support.recorded_runs import Recorder, sample
from support.screen import Screen

from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.core.trace import Author
from confspec_cli.render.notices import Notices
from confspec_cli.render.options import Show


@pytest.fixture
def stage():
    """A screen, and a view on it; time passes with every look at the clock."""
    ticks = iter(range(10_000))
    screen = Screen(width=80, height=24)

    def view(collapsed=False):
        return Notices(screen, Show(), {"TERM": "xterm"}, lambda: float(next(ticks))).view(Show(), collapsed)

    return screen, view


def open_text():
    screen = Screen(width=80, height=24)
    ticks = iter(range(10_000))
    view = Notices(screen, Show(), {"TERM": "xterm"}, lambda: float(next(ticks))).view(Show(), collapsed=False)
    for event in sample():
        view.handle(event)
    return screen.text


def test_with_the_view__collapsed_only_the_reply_and_the_summary_remain(stage):
    screen, view = stage
    view_ = view(collapsed=True)
    for event in sample():
        view_.handle(event)
    assert "✓ draft" not in screen.text
    assert screen.text.startswith("We need the product of 6 and 7.")
    assert "✓ 2 draft  ▲ 1 escalated  ↻ 1 target · 38 tokens" in screen.text
    assert screen.cursor_shown


@pytest.mark.parametrize("moment", range(1, 60, 3))
def test_opened_at_any_moment_it_shows_all_that_was_missed(stage, moment):
    screen, view = stage
    view_ = view(collapsed=True)
    events = sample()
    for number, event in enumerate(events[:-1]):
        view_.handle(event)
        if number == min(moment, len(events) - 2):
            with view_.held() as steps:
                steps.toggle()
    view_.handle(events[-1])
    assert screen.text == open_text()


@pytest.mark.parametrize("moment", range(1, 60, 3))
def test_collapsed_and_opened_again_in_mid_step_nothing_is_lost_or_counted_twice(stage, moment):
    screen, view = stage
    view_ = view()
    events = sample()
    for number, event in enumerate(events):
        view_.handle(event)
        if number in (min(moment, len(events) - 4), min(moment, len(events) - 4) + 2):
            with view_.held() as steps:
                steps.toggle()
    assert screen.text == open_text()


def test_collapsed_at_the_end_it_prints_the_whole_reply(stage):
    screen, view = stage
    view_ = view()
    events = sample()
    for event in events:
        if isinstance(event, RunFinished):
            with view_.held() as steps:
                steps.toggle()
        view_.handle(event)
    reply = "".join(event.step.text for event in events if isinstance(event, StepCommitted))
    assert reply.split("\n")[0] in screen.text.rpartition("✓ draft")[2]


def test_a_note_and_a_warning_stay_above_what_moves(stage):
    screen, view = stage
    for collapsed in (False, True):
        view_ = view(collapsed)
        run = Recorder()
        run.begin(Author.DRAFT, "A step in the making", provisional=True)
        for event in run.events:
            view_.handle(event)
        with view_.held() as steps:
            steps.note("[t] the target writes from here on")
        run.warn("the disk is full")
        view_.handle(run.events[-1])
        assert "[t] the target writes from here on\nwarning: the disk is full\n" in screen.text
        view_.close()
        assert screen.cursor_shown
        assert "making" not in screen.text
