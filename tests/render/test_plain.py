"""Progress lines where nothing can be redrawn."""

import io
import os

import pytest
from support.recorded_runs import Recorder, sample
from support.screen import Screen

from confspec_cli.core.events import Warned
from confspec_cli.core.trace import Author
from confspec_cli.render.console import make_console
from confspec_cli.render.options import Color, Show
from confspec_cli.render.plain import PlainLines
from confspec_cli.render.symbols import UNICODE


def printed(events, color=Color.NEVER, **show):
    stream = io.StringIO()
    renderer = PlainLines(make_console(stream, color, {}), UNICODE, Show(**show))
    for event in events:
        renderer.handle(event)
    renderer.close()
    return stream.getvalue().splitlines()


def test_a_run_is_one_line_a_step_and_one_in_all():
    assert printed(sample()) == [
        "  1 ✓ draft · 9 tokens, 1.1 s",
        "  2 ▲ escalated · 13 tokens, 1.2 s",
        "  3 ↻ target · 10 tokens, 3.2 s",
        "  4 ✓ draft · 6 tokens, 1.1 s",
        "4 steps: 2 draft, 1 escalated, 1 target · 38 tokens, 10 (26%) from the target · "
        "6.8 s · 5.6 tokens/s · about 1.1x the target alone",
    ]


def test_rejected_drafts_and_confidence_are_there_for_the_asking():
    lines = printed(sample(), rejected=True, confidence=True)
    assert lines[0] == "  1 ✓ draft · draft: verdict 0.99 (needs 0.95) · least likely token 0.40 · 9 tokens, 1.1 s"
    assert lines[2] == "  3 ✗ draft · rejected by the target (0.10 < 0.50) · 4 tokens, 1.0 s"
    assert "target: verdict 0.10" in lines[3]


def test_a_quiet_run_says_nothing_but_what_must_be_known():
    assert printed(sample(), quiet=True) == []
    run = Recorder()
    run.draft("Six.\n\n")
    run.warn("slow\x1b[2J")
    assert printed(run.finish("context"), quiet=True) == ["warning: slow[2J", "The context filled up before an answer."]


def test_statistics_come_even_when_quiet_if_asked_for():
    lines = printed(sample(), quiet=True, stats=True)
    assert lines[0].startswith("4 steps")
    assert "accepted by target  1 of 2 escalated (50%)" in lines


def test_an_empty_step_is_no_line():
    run = Recorder()
    run.draft("Six.")
    run.draft("")
    assert len(printed(run.finish())) == 2


@pytest.mark.parametrize("color", [Color.ALWAYS, Color.NEVER])
def test_there_is_colour_only_where_it_is_asked_for(color):
    assert ("\x1b[32m" in printed(sample(), color)[0]) is (color is Color.ALWAYS)


def test_a_long_run_is_told_in_minutes():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "word")
    run.seconds = 125.4
    assert "2 min 5 s" in printed(run.finish())[-1]


def test_on_a_terminal_a_warning_is_wrapped_between_words(monkeypatch):
    screen = Screen(40, 10)
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((40, 10)))
    view = PlainLines(make_console(screen, Color.NEVER, {}), UNICODE, Show(quiet=True))
    view.handle(Warned('tiny has no tuned thresholds for task "code"; using cautious defaults.'))
    assert screen.text.strip().splitlines() == [
        "warning: tiny has no tuned thresholds",
        'for task "code"; using cautious',
        "defaults.",
    ]
