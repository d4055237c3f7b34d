"""Text from strangers, in files and in names: shown on a terminal, and never obeyed by it."""

import io
import json
import sys

import pytest
from support.recorded_runs import sample

from confspec_cli.app import main
from confspec_cli.core.events import Warned, to_dict
from confspec_cli.errors import Exit

EVIL = "x\x1b]0;PWNED\x07\x9b2J\u202ey"
MARKS = ("\x1b]0;", "\x07", "\x9b", "\u202e")


class Screen(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture
def screen(monkeypatch, tmp_path):
    """Run a command whose streams are a terminal; gives the exit code and all it showed."""
    monkeypatch.chdir(tmp_path)

    def run(*argv):
        shown = Screen()
        with monkeypatch.context() as patched:
            patched.setattr(sys, "stdout", shown)
            patched.setattr(sys, "stderr", shown)
            code = main(argv)
        assert not [mark for mark in MARKS if mark in shown.getvalue()]
        return code, shown.getvalue()

    return run


TEXTS = {
    "prompt",
    "system",
    "message",
    "text",
    "reply",
    "answer",
    "extract",
    "kept",
    "name",
    "file",
    "signal",
}


def hostile(value, key=""):
    """A record in which every text is one that a stranger could have put there."""
    if isinstance(value, dict):
        return {name: hostile(item, name) for name, item in value.items()}
    if isinstance(value, list):
        return [hostile(item, key) for item in value]
    return EVIL if key in TEXTS and isinstance(value, str) else value


def lines(*records):
    return "".join(json.dumps({"schema_version": 2, **record}) + "\n" for record in records)


def a_run():
    return [hostile(to_dict(event)) for event in (*sample()[:-1], Warned("slow"), sample()[-1])]


@pytest.mark.parametrize("flags", [[], ["-q"], ["--stats", "--show-rejected"], ["--steps", "brief"]])
def test_a_replayed_run_is_shown_and_not_obeyed(screen, tmp_path, flags):
    (tmp_path / "run.jsonl").write_text(lines(*a_run()))
    code, shown = screen("replay", "run.jsonl", *flags)
    assert code == Exit.OK, shown
    assert "PWNED" in shown


@pytest.mark.parametrize(
    "record", [{"event": EVIL}, {"event": "StepDropped", "n": EVIL}, {"event": "RunFinished", "reason": EVIL}]
)
def test_a_record_that_is_wrong_is_told_of_in_clean_words(screen, tmp_path, record):
    (tmp_path / "run.jsonl").write_text(lines(record))
    screen("replay", "run.jsonl")


@pytest.mark.parametrize(
    "command",
    [["sessions"], ["sessions", "show"], ["sessions", "export"], ["sessions", "rm", "-y", "20260101-000000-000000"]],
)
def test_a_session_under_a_hostile_name_is_listed_and_shown(screen, own_sessions, command):
    own_sessions.mkdir()
    path = own_sessions / "20260101-000000-000000.jsonl"
    path.write_text(lines({"event": "SessionNamed", "name": EVIL}, *a_run()))
    code, shown = screen(*command)
    assert code == Exit.OK, shown
    assert "PWNED" in shown


def test_a_hostile_file_name_is_told_of_in_clean_words(screen):
    code, shown = screen("models", "show", f"./{EVIL}.gguf")
    assert code == Exit.MODEL_MISSING
    assert "PWNED" in shown


@pytest.mark.parametrize(
    "argv", [["ask", "caf\udce9"], ["ask", "-s", "\udce9", "x"], ["ask", "-f", "\udce9", "x"], ["pull", "\udce9"]]
)
def test_an_argument_that_is_no_text_is_refused_by_its_number(screen, argv):
    code, shown = screen(*argv)
    assert code == Exit.USAGE
    assert f"Argument {next(n for n, one in enumerate(argv, 1) if chr(0xDCE9) in one)} is not UTF-8 text" in shown
    assert "\\xe9" in shown


def test_a_variable_of_ours_that_is_no_text_is_refused_by_its_name(screen, monkeypatch):
    monkeypatch.setenv("CONFSPEC_TARGET", "caf\udce9.gguf")
    code, shown = screen("ask", "x")
    assert (code, "CONFSPEC_TARGET is not UTF-8 text: caf\\xe9.gguf" in shown) == (Exit.USAGE, True)
