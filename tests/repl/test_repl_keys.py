"""The keyboard during a run, on a real pseudo-terminal: Alt acts at once, text waits, the terminal is as it was."""

import io
import os
import pty
import termios
import time

import pytest

from confspec_cli.repl import live_keys
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


def actions(acted):
    return {key: lambda key=key: acted.append(key) for key in "at"}


def after_typing(terminal, *bursts):
    """What acted, and what stands on the prompt, once these have come one by one."""
    keyboard, stream = terminal
    acted = []
    with LiveKeys(stream, {**actions(acted), "z": lambda: acted.append("z")}) as keys:
        for burst in (*bursts, b"\x1bz"):
            os.write(keyboard, burst)
            time.sleep(0.02)
        wait_for(lambda: "z" in acted)
        assert keys.pressed() == acted
        return acted[:-1], keys.typed


def test_alt_and_a_key_acts_at_once_and_is_noted(terminal):
    assert after_typing(terminal, b"\x1ba", b"\x1bx", b"\x1bT") == (["a", "t"], "x")


def test_esc_and_then_the_key_is_the_same(terminal):
    assert after_typing(terminal, b"\x1b", b"a") == (["a"], "")


def test_an_esc_of_long_ago_does_not_make_a_letter_act(terminal, monkeypatch):
    monkeypatch.setattr(live_keys, "ESC_SECONDS", 0.05)
    keyboard, stream = terminal
    acted = []
    with LiveKeys(stream, actions(acted)) as keys:
        os.write(keyboard, b"\x1b")
        time.sleep(0.3)
        os.write(keyboard, b"at")
        wait_for(lambda: keys.typed == "at")
    assert acted == []


def test_what_is_typed_key_by_key_never_acts_and_is_kept(terminal):
    assert after_typing(terminal, *(key.encode() for key in "what about tea? \u00e9")) == ([], "what about tea? \u00e9")


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (b"one\rtwo\r", "one\ntwo"),
        (b"worse\x7f\x7f\x7frd", "word"),
        (b"two words\x17", "two "),
        (b"\x17one\x15two", "two"),
        (b"\x1b[Aup\x1b[D", "up"),
        (b"\x1b[200~pasted\ra\x1b[201~!", "pasted\na!"),
        ("\u6f22\u5b57".encode(), "\u6f22\u5b57"),
    ],
)
def test_text_is_edited_as_at_a_prompt_and_arrows_are_no_text(terminal, typed, kept):
    assert after_typing(terminal, typed) == ([], kept)


def test_what_was_typed_before_is_not_thrown_away(terminal):
    keyboard, stream = terminal
    os.write(keyboard, b"early\n")
    time.sleep(0.05)
    assert after_typing(terminal, b"late")[1] == "early\nlate"
    del stream


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


def test_a_pause_gives_the_terminal_back_and_it_is_taken_again(terminal):
    _, stream = terminal
    before = termios.tcgetattr(stream)
    with LiveKeys(stream, {}) as keys:
        during = termios.tcgetattr(stream)
        keys.pause()
        assert termios.tcgetattr(stream) == before
        keys.resume()
        assert termios.tcgetattr(stream) == during


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
    assert keys.typed == ""
