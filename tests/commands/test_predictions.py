"""What is said of a pair's speed before it runs, and what a plain `ask` does: the gate that is fastest here."""

import json
import sys

import pytest
from support.frontiers import CAREFUL, LOOSE, calibration
from support.model_sources import at_hub, served

from confspec_cli.app import main
from confspec_cli.errors import Exit


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    """A user with a pair of two tiny models, whose gates were measured on code and on mathematics."""
    files = {"small": tiny("llama", seed=2), "large": tiny("llama", seed=3)}
    models = {name: {"files": [{"name": path.name, "sources": [{"path": str(path)}]}]} for name, path in files.items()}
    prints = [path.name for path in files.values()]
    unsafe = calibration(prints, (LOOSE,))
    pair = {"draft": "small", "target": "large", "calibrations": {"code": calibration(prints), "math": unsafe}}
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setenv("CONFSPEC_SESSIONS", str(tmp_path / "sessions"))
    monkeypatch.setenv("CONFSPEC_CACHE", str(tmp_path / "cache"))
    (tmp_path / "config").mkdir()
    own = {"schema": 2, "default_pair": "ours", "models": models, "pairs": {"ours": pair}}
    (tmp_path / "config" / "models.yaml").write_text(json.dumps(own))
    return tmp_path


def chosen(capsys, *arguments):
    """What a run chose, and every step's author, by its events."""
    assert main(["ask", "Hello", "-n", "150", "--format", "jsonl", *arguments]) in (Exit.OK, Exit.NO_ANSWER)
    events = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    (choice,) = [event for event in events if event["event"] == "GateChosen"]
    return choice, [event["author"] for event in events if event["event"] == "StepOpened"]


def predictions(capsys, *command):
    main([*command, "--json"])
    return json.loads(capsys.readouterr().out)["predicted"]


def test_a_plain_ask_takes_the_measured_gate_that_is_fastest_by_what_tokens_cost_here(home, capsys):
    chosen(capsys, "--task", "code", "--gate", "careful")
    (costs,) = (home / "cache" / "costs").iterdir()
    cheap = {"drafting": [1000, 1.0], "reading": [1000, 1.0], "writing": [1000, 10.0]}
    costs.write_text(json.dumps(cheap))
    told = predictions(capsys, "fit", "ours")["code"]
    choice, authors = chosen(capsys, "--task", "code")
    assert choice["gate"] == told["gate"] == "careful" and "draft" in authors
    assert choice["is_measured"] and choice["seconds"] == told["seconds"] == pytest.approx(0.4)
    assert told["speedup"] == pytest.approx(2.5)
    costs.write_text(json.dumps({**cheap, "drafting": [1000, 100.0]}))
    told = predictions(capsys, "fit", "ours")["code"]
    choice, authors = chosen(capsys, "--task", "code")
    assert choice["gate"] == told["gate"] == "target" and set(authors) == {"target"}


def test_fit_says_who_writes_each_kind_of_work_and_how_what_is_not_known_becomes_known(home, capsys):
    assert main(["fit", "ours"]) == Exit.OK
    said = capsys.readouterr().out
    assert "On this machine ours writes math as the target alone (no measured gate keeps the promised accuracy)" in said
    assert "estimated from the sizes of the files until runs here have measured it." in said
    assert 'To measure it: confspec ask -p ours --task code --gate careful "..."' in said


def test_models_show_lists_every_gate_with_what_it_loses_and_takes(home, capsys):
    assert main(["models", "show", "ours"]) == Exit.OK
    said = capsys.readouterr().out
    assert "code: may lose at most 3% of the target's right answers, with 95% confidence" in said
    (row,) = [line.split() for line in said.splitlines() if line.startswith(CAREFUL.name)]
    assert [cell for cell in row if cell != "*"][1:7] == ["0/90", "0.020", "100", "10", "100", "20"]
    starred = [line for line in said.splitlines() if line.split()[1:2] == ["*"] or line.split()[:1] == ["*"]]
    assert said.count("* is used here") == len(starred)  # the target alone has no row to mark
    assert main(["models", "show", "ours", "--json"]) == Exit.OK
    known = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in known["gates"]["code"]["measured"]] == ["careful", "loose"]
    assert known["predicted"]["math"]["reason"] == "none_keeps"


def test_doctor_says_it_of_the_default_pair(home, capsys, monkeypatch):
    with served(lambda method, path: (200, {}, b"")) as address:
        at_hub(monkeypatch, home, address)
        assert main(["doctor", "--json"]) == Exit.OK
    findings = {one["check"]: one for one in json.loads(capsys.readouterr().out)["findings"]}
    assert findings["speed"]["says"].startswith("On this machine ours writes math as the target alone")
    assert findings["speed"]["next"] == 'confspec ask -p ours --task code --gate careful "..."'


def test_a_pair_without_measured_gates_is_told_no_speed(home, capsys):
    assert main(["models", "show", "qwen3-8b"]) == Exit.OK
    assert "On this machine" not in capsys.readouterr().out
    assert predictions(capsys, "fit", "qwen3-8b") == {}
