"""A session written before the names of schema version 2: shown, and gone on with."""

import json

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.storage.session_store import SessionStore

ASSESSED = {
    "by": "target",
    "verdict": {"p": 0.9, "certainty": 0.98},
    "likelihood": None,
    "seconds": 0.1,
}
VERSION_1 = [
    {"event": "SessionNamed", "name": "sums"},
    {
        "event": "RunStarted",
        "prompt": "What is 6 * 7?",
        "system": "Be brief.",
        "mode": "confspec",
        "models": {},
        "parameters": {"max_tokens": 64, "stop": 0.1, "certainty": 0.5, "pays": True},
        "schema_version": 1,
    },
    {"event": "DraftingTurned", "n": 1, "on": True, "gain": 0.2},
    {
        "event": "StepCommitted",
        "step": {
            "n": 1,
            "origin": "shared",
            "text": "So it is 42.",
            "tokens": 5,
            "ended": True,
            "seconds": 1.0,
            "readings": [ASSESSED],
            "signal": 0.9,
            "threshold": 0.5,
        },
    },
    {"event": "RunFinished", "reason": "stop", "reply": "So it is 42.", "partial": "", "answer": "42", "seconds": 1.5},
]


@pytest.fixture
def old(own_sessions):
    own_sessions.mkdir()
    path = own_sessions / "20260101-000000-000000.jsonl"
    path.write_text("".join(json.dumps(record) + "\n" for record in VERSION_1))
    return SessionStore(own_sessions)


def test_it_is_shown_without_a_warning(old, capsys):
    assert main(["sessions", "show", "sums"]) == Exit.OK
    out, err = capsys.readouterr()
    assert out == "So it is 42.\n"
    assert "warning" not in err
    assert "What is 6 * 7?" in err


def test_a_question_goes_on_with_what_it_said(old, tiny, capsys):
    target = str(tiny("llama", seed=3))
    argv = [
        "ask",
        "And 7 * 7?",
        "-c",
        "--target",
        target,
        "--mode",
        "target",
        "-n",
        "8",
        "--format",
        "jsonl",
        "--no-stdin",
    ]
    assert main(argv) in (Exit.OK, Exit.NO_ANSWER)
    started = json.loads(capsys.readouterr().out.splitlines()[0])
    assert (started["prompt"], started["system"]) == ("And 7 * 7?", "Be brief.")
    session = old.open("sums")
    assert [turn.user for turn in session.turns()] == ["What is 6 * 7?", "And 7 * 7?"]
    assert [message.content for message in session.messages()][:3] == ["Be brief.", "What is 6 * 7?", "So it is 42."]
    assert session.turns()[0].steps[0].origin.value == "salvaged"
    assert session.warnings == []
