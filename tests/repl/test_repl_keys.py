"""Live keys, on a real pseudo-terminal: they act at once, and leave the terminal as it was."""

import io
import os
import pty
import termios
import time

import pytest

from confspec_cli.repl.live_keys import LiveKeys


@pytest.fixture
def terminal():
    """The keyboard's end, and the program's end as a stream."""
    keyboard, program = pty.openpty()
    with os.fdopen(program, "r") as stream:
        yield keyboard, stream
    os.close(keyboard)


def wait_for(done):
    limit = time.monotonic() + 5
    while not done() and time.monotonic() < limit:
        time.sleep(0.01)
    assert done()


def test_a_key_acts_at_once_and_is_noted(terminal):
    keyboard, stream = terminal
    acted = []
    with LiveKeys(stream, {"a": lambda: acted.append("a"), "t": lambda: acted.append("t")}) as keys:
        for key in (b"a", b"x", b"t"):
            os.write(keyboard, key)
            time.sleep(0.05)
        wait_for(lambda: len(acted) == 2)
        wait_for(lambda: len(keys._pressed) == 2)
        assert keys.pressed() == ["a", "t"]
        assert keys.pressed() == []


@pytest.mark.parametrize("burst", [b"aaa", b"\x1b[A", b"pasted text", "\u00e9".encode()])
def test_what_comes_in_a_burst_presses_nothing(terminal, burst):
    keyboard, stream = terminal
    acted = []
    with LiveKeys(stream, {"a": lambda: acted.append("a"), "A": lambda: acted.append("A")}) as keys:
        os.write(keyboard, burst)
        time.sleep(0.1)
        assert keys.pressed() == acted == []


@pytest.mark.parametrize("problem", [None, RuntimeError("a bug"), KeyboardInterrupt()])
def test_the_terminal_is_as_it_was_however_a_run_ends(terminal, problem):
    _, stream = terminal
    before = termios.tcgetattr(stream)
    try:
        with LiveKeys(stream, {}):
            assert not termios.tcgetattr(stream)[3] & termios.ECHO
            assert termios.tcgetattr(stream)[3] & termios.ISIG  # Ctrl-C still interrupts
            if problem:
                raise problem
    except (RuntimeError, KeyboardInterrupt):
        pass
    assert termios.tcgetattr(stream) == before


def test_a_keyboard_that_goes_away_stops_nothing(terminal):
    keyboard, stream = terminal
    spare = os.dup(keyboard)
    with LiveKeys(stream, {}) as keys:
        time.sleep(0.02)
        assert keys.pressed() == []
    os.close(spare)


def test_where_there_is_no_terminal_nothing_is_read():
    stream = io.StringIO("aaa")
    with LiveKeys(stream, {"a": lambda: pytest.fail("pressed")}) as keys:
        assert keys.pressed() == []
    assert stream.read() == "aaa"
