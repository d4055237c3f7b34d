"""`confspec replay`: what a recorded run looks like, and what a damaged record is called."""

import io
import json
import sys

import pytest
from support.recorded_runs import Recorder, sample, texts

from confspec_cli.app import main
from confspec_cli.core.events import SCHEMA_VERSION, Event, SessionNamed, TurnsUndone, to_dict

LINES = [json.dumps(to_dict(event)) + "\n" for event in sample()]


@pytest.fixture
def replay(tmp_path, capsys):
    """Replay lines of text; gives the exit code, stdout and stderr."""

    def replayed(lines, *options):
        path = tmp_path / "run.jsonl"
        path.write_text("".join(lines), encoding="utf-8", newline="")
        code = main(["replay", str(path), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err.replace(str(path), "FILE")

    return replayed


def test_a_record_is_drawn_as_the_run_was(replay):
    code, out, err = replay(LINES)
    assert code == 0
    assert out == "".join(texts(sample())) + "\n"
    assert "2 ▲ escalated" in err


def test_a_record_replayed_as_events_is_the_same_record(replay):
    assert replay(LINES, "--format", "jsonl") == (0, "".join(LINES), "")


def test_a_record_can_become_a_document(replay):
    code, out, _ = replay(LINES, "--format", "json")
    assert code == 0
    assert [step["origin"] for step in json.loads(out)["steps"]] == ["draft", "escalated", "target", "draft"]


def test_the_options_of_the_step_view_work(replay):
    _, _, err = replay(LINES, "--show-rejected", "--show-confidence", "--stats", "--color", "always")
    assert "✗ draft" in err
    assert "target: verdict 0.10" in err
    assert "draft verification" in err
    assert "\x1b[35m" in err
    assert replay(LINES, "-q")[2] == ""


def test_a_record_can_come_through_a_pipe(monkeypatch, capsys):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO("".join(LINES).encode())))
    assert main(["replay", "-"]) == 0
    assert "The answer is **42**." in capsys.readouterr().out


def test_several_runs_are_drawn_one_after_the_other(replay):
    code, out, err = replay(LINES * 2)
    assert code == 0
    assert out.count("**42**") == err.count("4 steps") == 2


@pytest.mark.parametrize(
    "line", ["{}\n", "no\n", "[1]\n", '{"event": 3}\n', '{"event": "RunFinis\n', '{"event":"StepOpened","n":1}\n']
)
def test_a_bad_line_is_named(replay, line):
    code, _, err = replay([*LINES[:3], line, *LINES[3:]])
    assert code == 2
    assert "confspec: Line 4 of FILE " in err
    assert "Traceback" not in err


def test_a_last_line_that_was_cut_off_is_left_out_with_a_warning(replay):
    code, out, err = replay([*LINES[:-1], LINES[-1][:40]])
    assert code == 0
    assert out == "".join(texts(sample())) + "\n"
    assert err.endswith(f"warning: skipped line {len(LINES)} of FILE: it is cut off\n")


def test_a_record_that_ends_too_early_says_so(replay):
    assert replay(LINES[:-1])[2].endswith("warning: FILE ends in the middle of a run\n")


def test_events_of_a_later_version_are_left_out_with_one_warning(replay):
    later = '{"event": "StepSalvaged", "n": 1}\n'
    code, _, err = replay([LINES[0], later, later, *LINES[1:]])
    assert code == 0
    assert err.count("warning:") == 1
    assert "first at line 2 of FILE" in err


def test_a_record_of_a_later_schema_is_refused(replay):
    record = to_dict(sample()[0]) | {"schema_version": SCHEMA_VERSION + 1}
    code, _, err = replay([json.dumps(record) + "\n"])
    assert code == 2
    assert f"was written by a later confspec (schema {SCHEMA_VERSION + 1}" in err
    assert "pip install --upgrade" in err


@pytest.mark.parametrize("lines", [[], ["\n", "\n"]])
def test_an_empty_record_is_refused(replay, lines):
    code, _, err = replay(lines)
    assert code == 2
    assert err.startswith("confspec: FILE contains no events.")


def test_a_byte_order_mark_and_blank_lines_do_no_harm(replay):
    assert replay(["\ufeff", "\n", *LINES, "\n"])[0] == 0


def test_a_file_that_is_not_there_or_not_text_is_named(tmp_path, capsys):
    assert main(["replay", str(tmp_path / "gone")]) == 2
    assert "No such file: " in capsys.readouterr().err
    assert main(["replay", str(tmp_path)]) == 2
    assert "cannot be read" in capsys.readouterr().err
    (tmp_path / "model").write_bytes(b"\xff\xfe\x00")
    assert main(["replay", str(tmp_path / "model")]) == 2
    assert "model is not text" in capsys.readouterr().err


def test_warnings_of_the_run_are_heard_again(replay):
    run = Recorder()
    run.warn("slow")
    assert "warning: slow" in replay([json.dumps(to_dict(event)) + "\n" for event in run.finish()])[2]


def test_a_session_is_replayed_run_after_run(replay):
    between: list[Event] = [SessionNamed("maths"), TurnsUndone(1)]
    code, out, err = replay([*LINES, *(json.dumps(to_dict(event)) + "\n" for event in between)] * 2)
    assert code == 0
    assert out == ("".join(texts(sample())) + "\n") * 2
    assert "warning" not in err
