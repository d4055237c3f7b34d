"""Where a run is shown, by where the streams go; and when there is colour."""

import dataclasses
import io
import json

import pytest
from support.recorded_runs import Recorder, sample, texts
from support.screen import Screen

from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.errors import ClosedPipe
from confspec_cli.render.choose import choose
from confspec_cli.render.console import make_console
from confspec_cli.render.options import Color, Format, Show
from confspec_cli.render.symbols import ASCII, UNICODE, marks_for

REPLY = "".join(texts(sample())) + "\n"
SUMMARY = "2 draft"


class Stream(io.StringIO):
    """A stream that is a terminal or is none."""

    def __init__(self, tty):
        super().__init__()
        self.isatty = lambda: tty


def shown(out_tty, err_tty, env=None, events=None, **show):
    stdout, stderr = Stream(out_tty), Stream(err_tty)
    renderer = choose(stdout, stderr, Show(**show), env or {}, clock=lambda: 0.0)
    for event in events or sample():
        renderer.handle(event)
    renderer.close()
    return stdout.getvalue(), stderr.getvalue()


def test_on_a_terminal_the_step_view_is_the_reply():
    stdout, stderr = shown(True, True)
    assert stdout == ""
    assert "▲ escalated" in stderr
    assert "\x1b[?25l" in stderr


def test_a_pipe_gets_the_reply_and_the_terminal_a_line_that_goes():
    stdout, stderr = shown(False, True)
    assert stdout == REPLY
    assert "step 1 · 0:00 · Ctrl-C stop" in stderr
    assert "We need" not in stderr
    assert stderr.endswith("\x1b[2K\x1b[?25h")


@pytest.mark.parametrize("show", [{"confidence": True}, {"rejected": True}, {"brief": True}])
def test_beside_a_pipe_what_is_asked_for_about_steps_is_told_without_their_text(show):
    stdout, stderr = shown(False, True, **show)
    assert stdout == REPLY
    assert "▲ escalated" in stderr
    assert "We need" not in stderr


def test_beside_a_pipe_a_dumb_terminal_gets_a_line_a_step():
    stdout, stderr = shown(False, True, env={"TERM": "dumb"})
    assert stdout == REPLY
    assert stderr.startswith("  1 ✓ draft · ")
    assert "\x1b" not in stderr


def test_a_pipe_gets_each_step_when_it_is_final_and_no_line_is_in_its_way():
    stdout, stderr = Stream(False), Stream(True)
    renderer = choose(stdout, stderr, Show(), {}, clock=lambda: 0.0)
    said = ""
    for event in sample():
        renderer.handle(event)
        if isinstance(event, StepCommitted):
            said += event.step.text
            assert stderr.getvalue().endswith("\x1b[2K\x1b[?25h")
        assert stdout.getvalue().rstrip("\n") == said.rstrip("\n")
    assert stdout.getvalue() == REPLY


def test_a_pipe_gets_what_there_is_of_a_run_that_breaks_off():
    events = sample()[:-1]
    assert shown(False, True, events=events)[0] == REPLY


@pytest.mark.parametrize("out_tty", [True, False])
def test_without_a_terminal_for_the_steps_they_are_plain_lines(out_tty):
    stdout, stderr = shown(out_tty, False)
    assert stdout == REPLY
    assert stderr.startswith("  1 ✓ draft · ")
    assert "\x1b" not in stderr


@pytest.mark.parametrize("out_tty", [True, False])
@pytest.mark.parametrize("err_tty", [True, False])
def test_quiet_leaves_the_reply_alone(out_tty, err_tty):
    assert shown(out_tty, err_tty, quiet=True) == (REPLY, "")


def test_a_dumb_terminal_gets_the_steps_without_a_single_escape_sequence():
    stdout, stderr = shown(True, True, env={"TERM": "dumb"})
    assert stdout == ""
    assert "✓ draft      We need" in stderr
    assert "\x1b" not in stderr


@pytest.mark.parametrize("tty", [True, False])
def test_events_go_alone(tty):
    stdout, stderr = shown(False, tty, format=Format.JSONL)
    assert len(stdout.splitlines()) == len(sample())
    assert stderr == ""


def test_a_document_on_a_screen_goes_alone():
    stdout, stderr = shown(True, True, format=Format.JSON)
    assert json.loads(stdout)["answer"] == "42"
    assert stderr == ""


def test_beside_a_document_for_a_pipe_a_line_tells_how_it_goes():
    stdout, stderr = shown(False, True, format=Format.JSON)
    assert json.loads(stdout)["answer"] == "42"
    assert "step 4 · 0:00" in stderr


def test_a_warning_is_heard_in_every_way_of_showing():
    run = Recorder()
    run.warn("slow")
    run.finish()
    for format_ in Format:
        for quiet in (True, False):
            for ttys in ((True, True), (False, True), (True, False), (False, False)):
                assert "warning: slow" in shown(*ttys, events=run.events, quiet=quiet, format=format_)[1]


@pytest.mark.parametrize(
    ("tty", "color", "env", "colored"),
    [
        (True, Color.AUTO, {}, True),
        (False, Color.AUTO, {}, False),
        (True, Color.AUTO, {"TERM": "dumb"}, False),
        (True, Color.AUTO, {"NO_COLOR": "1"}, False),
        (True, Color.AUTO, {"NO_COLOR": ""}, True),
        (False, Color.AUTO, {"FORCE_COLOR": "1"}, True),
        (False, Color.AUTO, {"FORCE_COLOR": "0"}, False),
        (True, Color.AUTO, {"FORCE_COLOR": "1", "NO_COLOR": "1"}, False),
        (False, Color.ALWAYS, {"NO_COLOR": "1"}, True),
        (True, Color.NEVER, {"FORCE_COLOR": "1"}, False),
    ],
)
def test_colour_is_there_when_it_is_wanted(tty, color, env, colored):
    assert bool(make_console(Stream(tty), color, env).color_system) is colored


def test_the_width_is_not_frozen_by_the_environment(monkeypatch):
    monkeypatch.setenv("COLUMNS", "33")
    console = make_console(Stream(True), Color.AUTO, {"COLUMNS": "33"})
    assert console.width != 33


@pytest.mark.parametrize(("encoding", "marks"), [("utf-8", UNICODE), ("ascii", ASCII), ("latin-1", ASCII)])
def test_the_marks_are_those_the_encoding_can_carry(encoding, marks):
    assert marks_for(io.TextIOWrapper(io.BytesIO(), encoding)) is marks


def test_a_closed_pipe_still_gives_the_cursor_back():
    class Closed(Stream):
        def write(self, text):
            raise BrokenPipeError

    stderr = Stream(True)
    renderer = choose(Closed(False), stderr, Show(), {}, clock=lambda: 0.0)
    with pytest.raises(ClosedPipe):
        for event in sample():
            renderer.handle(event)
    renderer.close()
    assert stderr.getvalue().rindex("\x1b[?25h") > stderr.getvalue().rindex("\x1b[?25l")


def test_steps_in_brief_leave_the_reply_to_stdout_even_on_a_terminal():
    stdout, stderr = shown(True, True, brief=True)
    assert stdout == REPLY
    lines = [line for line in stderr.splitlines() if "escalated" in line and "Six sevens" in line]
    assert lines
    assert SUMMARY in stderr


def test_a_result_is_printed_beside_the_step_view():
    *events, finished = sample()
    assert isinstance(finished, RunFinished)
    events.append(dataclasses.replace(finished, extract="42"))
    for out_tty, err_tty in ((True, True), (True, False), (False, True)):
        stdout, stderr = shown(out_tty, err_tty, events=events, extract=True)
        assert stdout == "42\n"
        assert ("escalated" if out_tty else "step 2") in stderr


@pytest.mark.parametrize("env", [{}, {"TERM": "dumb"}])
@pytest.mark.parametrize(
    ("show", "printed"),
    [({"brief": True}, [*REPLY.strip().split("\n"), "", "Answer: 42"]), ({"extract": True}, ["42"])],
)
def test_below_shortened_steps_stands_the_reply_once_and_then_how_the_run_went(env, show, printed):
    *events, finished = sample()
    assert isinstance(finished, RunFinished)
    screen = Screen(80, 60)
    renderer = choose(screen, screen, Show(**show), env, clock=lambda: 0.0)
    for event in [*events, dataclasses.replace(finished, extract="42")]:
        renderer.handle(event)
    renderer.close()
    end = next(n for n, line in enumerate(screen.lines) if "✓✓" in line or "██" in line)
    assert screen.lines[end - len(printed) - 2 : end] == ["", *printed, ""]
    assert screen.text.count("Answer: 42") == printed.count("Answer: 42")
    assert screen.cursor_shown


@pytest.mark.parametrize("format_", [Format.JSON, Format.JSONL])
def test_a_record_that_goes_into_a_file_leaves_the_terminal_to_the_run(format_, tmp_path):
    stderr = io.StringIO()
    with (tmp_path / "run").open("w") as stdout:
        renderer = choose(stdout, stderr, Show(format=format_), {})
        for event in sample():
            renderer.handle(event)
        renderer.close()
    assert "4 steps: 2 draft" in stderr.getvalue()
