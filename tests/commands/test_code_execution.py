"""Code that models write runs only where somebody has allowed it."""

import json
import os
import sys
from contextlib import contextmanager

import pexpect
import pytest
from support.terminal import in_terminal

from confspec_cli.app import main
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import Exit
from confspec_cli.models.registry import load

CODE = {
    "id": "double",
    "question": "def double(n):\n    '''Twice n.'''\n",
    "tests": "def check(candidate):\n    assert candidate(2) == 4\n",
    "entry_point": "double",
}
REPLY = ("```python\ndef double(n):\n    return 2 * n\n```",)
RUN = ["bench", "code.jsonl", "-p", "starter", "-o", "results.jsonl", "--modes", "target"]


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder with a problem of code, and a scripted target that solves it."""

    @contextmanager
    def loaded(resolved, paths, hardware, interrupt, reporter):
        yield {author: ScriptedEngine(REPLY) for author in Author}

    for module in ("runtime.crew", "commands.calibrate"):
        monkeypatch.setattr(f"confspec_cli.{module}.engines", loaded)
    for module in ("bench", "calibrate"):
        monkeypatch.setattr(f"confspec_cli.commands.{module}.verified_files", lambda resolved, reporter: {})
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "code.jsonl").write_text(json.dumps(CODE) + "\n")
    return tmp_path


@pytest.mark.parametrize("command", [RUN, ["calibrate", "starter", "code.jsonl"]])
def test_where_nobody_can_be_asked_the_flag_is_named(folder, capsys, command):
    assert main(command) == Exit.USAGE
    assert "--allow-code-execution" in capsys.readouterr().err
    assert not (folder / "results.jsonl").exists()


def test_the_flag_the_environment_or_the_settings_allow_it_and_the_walls_are_told(folder, capsys, monkeypatch):
    assert main([*RUN, "--allow-code-execution"]) == Exit.OK
    assert "model-written code runs in: " in capsys.readouterr().err
    assert '"correct": true' in (folder / "results.jsonl").read_text()
    (folder / "config").mkdir()
    (folder / "config" / "models.yaml").write_text("schema: 2\nsettings: {allow_code_execution: true}\n")
    assert main(RUN) == Exit.OK
    (folder / "config" / "models.yaml").unlink()
    monkeypatch.setenv("CONFSPEC_ALLOW_CODE_EXECUTION", "1")
    assert main(RUN) == Exit.OK


def test_problems_without_code_ask_nothing(folder, capsys):
    (folder / "code.jsonl").write_text(json.dumps({"question": "Which?", "answer": "the red one"}))
    assert main(RUN) == Exit.OK
    said = capsys.readouterr().err
    assert "model-written" not in said
    assert 'compared as text, such as "the red one" of problem 1' in said


@pytest.mark.parametrize(("answer", "allowed"), [("y", True), ("", False)])
def test_at_a_terminal_it_asks_once_and_enter_alone_is_no(folder, answer, allowed):
    environment = {**os.environ, "CONFSPEC_MODELS": str(folder / "models")}
    child = in_terminal([sys.executable, "-m", "confspec_cli", *RUN], environment, width=200)
    child.expect("for good")
    child.sendline(answer)
    child.expect("Saved to" if allowed else "cannot be graded")
    if allowed:
        child.expect("model-written code runs in")
        child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert load(folder / "config" / "models.yaml").settings.allow_code_execution is allowed
