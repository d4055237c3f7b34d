"""How a batch is told of while it runs."""

import io
import itertools

import pytest

from confspec_cli.render.batch_progress import Tally, counting


def clock(seconds):
    return itertools.count(0, seconds).__next__


def told(tally, outcomes, seconds=6.0, quiet=False):
    stream = io.StringIO()
    with counting(stream, tally, quiet, moves=False, clock=clock(seconds)) as watch:
        for failed in outcomes:
            watch.counted(failed)
    return stream.getvalue().splitlines()


def test_a_log_gets_a_line_for_every_twentieth():
    lines = told(Tally(100), [False] * 100)
    assert len(lines) == 21
    assert lines[0] == "5 of 100 (5%), 10/min, about 9 min 30 s left"
    assert lines[-2:] == ["100 of 100 (100%), 10/min", "100 of 100 records, in 10 min 0 s"]


def test_a_small_batch_gets_a_line_for_every_record():
    assert told(Tally(2), [False, True], seconds=90) == [
        "1 of 2 (50%), 0.7/min, about 90 s left",
        "2 of 2 (100%), 0.7/min, 1 failed",
        "2 of 2 records, 1 failed, in 3 min 0 s",
    ]


def test_a_long_wait_is_told_in_hours():
    assert told(Tally(100), [False] * 5, seconds=600)[0] == "5 of 100 (5%), 0.1/min, about 15 h 50 min left"


def test_the_rate_is_that_of_this_run_alone():
    lines = told(Tally(100, earlier=90, done=90, failed=1), [False] * 10)
    assert lines[0] == "95 of 100 (95%), 10/min, about 30 s left, 1 failed"


def test_quiet_says_nothing_but_warnings():
    stream = io.StringIO()
    with counting(stream, Tally(2), quiet=True, moves=True) as watch:
        watch.counted(failed=True)
        watch.warned("careful")
    assert stream.getvalue() == "warning: careful\n"


def test_a_terminal_gets_a_bar_that_goes_and_leaves_the_sum(monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setenv("TERM", "xterm")
    with counting(stream, Tally(3), quiet=False, moves=True, clock=clock(60)) as watch:
        watch.counted(failed=False)
        watch.warned("careful")
        watch.counted(failed=True)
    drawn = stream.getvalue()
    assert "1.0/min" in drawn
    assert "warning: careful" in drawn
    assert drawn.endswith("Interrupted: 2 of 3 records written, 1 failed\n")


def test_the_bar_leaves_stdout_alone(monkeypatch, capsys):
    stream = io.StringIO()
    stream.isatty = lambda: True
    with counting(stream, Tally(3), quiet=False, moves=True):
        print("a record")
    assert capsys.readouterr().out == "a record\n"
    assert "a record" not in stream.getvalue()


@pytest.mark.parametrize("done", [0, 3])
def test_no_rate_is_told_of_nothing(done):
    assert Tally(10, earlier=done, done=done).figures == []
