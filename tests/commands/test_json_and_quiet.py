"""`--json` and `-q` mean the same on every command that has them."""

import json
from typing import Any

import pytest
import typer
from support.frontiers import calibration

from confspec_cli.app import app, main
from confspec_cli.errors import Exit

SAY_WHAT_THEY_DID = {
    *("use", "config edit", "templates edit", "templates rm", "sessions rename", "sessions rm", "sessions prune"),
    *("models add", "models rm", "models quantize", "models verify"),
    *("models pair add", "models pair set", "models pair rm", "models pair default"),
}
PRINT_ONE_THING_AS_IT_IS = {"config path", "models path", "templates show"}
ARE_NO_COMMAND_OF_A_SCRIPT = {"chat", "serve"}
WRITE_JSON_LINES = {"batch"}
HAVE_NOTHING_TO_LEAVE_OUT = {
    *("fit", "models show", "models pair check", "config", "config show", "config where", "sessions export"),
    *("bench show", "bench diff", "bench project", "bench rejudge"),
}


def commands():
    """Every command that does something, by the words that name it."""
    root: Any = typer.main.get_command(app)
    below = [(root, typer.Context(root, info_name="confspec"))]
    while below:
        command, context = below.pop()
        for name in getattr(command, "commands", {}):
            _, found, _ = command.resolve_command(context, [name])
            below.append((found, typer.Context(found, info_name=name, parent=context)))
        if context.parent and (command.invoke_without_command if hasattr(command, "commands") else True):
            yield context.command_path.partition(" ")[2], command


def having(option):
    return {name for name, command in commands() if any(option in one.opts for one in command.params)}


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    """A user with a pair, a session, a template, a recorded run, problems and a benchmark."""
    files = {"small": tiny("llama", seed=2), "large": tiny("llama", seed=3)}
    models = {name: {"files": [{"name": path.name, "sources": [{"path": str(path)}]}]} for name, path in files.items()}
    pair = {
        "draft": "small",
        "target": "large",
        "calibrations": {"code": calibration([path.name for path in files.values()])},
    }
    (tmp_path / "config" / "templates").mkdir(parents=True)
    own = {"schema": 2, "default_pair": "ours", "models": models, "pairs": {"ours": pair}}
    (tmp_path / "config" / "models.yaml").write_text(json.dumps(own))
    (tmp_path / "config" / "templates" / "short.yaml").write_text("prompt: In one word\n")
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.stdin", None)
    (tmp_path / "prompts.txt").write_text("Hello\n")
    lines = [json.dumps({"id": str(n), "question": "What is 1 + 1?", "answer": "2"}) for n in range(3)]
    (tmp_path / "problems.jsonl").write_text("\n".join(lines))
    return tmp_path


@pytest.fixture
def used(home, capsys):
    """The same after a day's work."""
    main(["ask", "Hello", "--session", "demo", "-n", "40", "--format", "jsonl"])
    (home / "run.jsonl").write_text(capsys.readouterr().out)
    main(["bench", "run", "problems.jsonl", "-o", "results.jsonl", "--modes", "target,confspec", "-n", "20"])
    capsys.readouterr()
    return home


JSON = [
    ["ask", "Hello", "-n", "40"],
    ["replay", "run.jsonl"],
    ["sessions"],
    ["sessions", "list"],
    ["sessions", "search", "hello"],
    ["sessions", "show", "demo"],
    ["sessions", "export", "demo"],
    ["models"],
    ["models", "list"],
    ["models", "show", "ours"],
    ["models", "show", "small"],
    ["models", "pair", "check", "ours"],
    ["pull", "ours"],
    ["pull", "--dry-run", "ours"],
    ["fit", "ours"],
    ["doctor"],
    ["templates"],
    ["templates", "list"],
    ["config"],
    ["config", "show"],
    ["config", "where"],
    ["bench", "run", "problems.jsonl", "-o", "results.jsonl", "--modes", "target,confspec", "-n", "20"],
    ["bench", "show", "results.jsonl"],
    ["bench", "diff", "results.jsonl", "results.jsonl"],
    ["bench", "project", "results.jsonl"],
    ["bench", "rejudge", "results.jsonl"],
    ["calibrate", "ours", "problems.jsonl", "--dry-run", "-n", "20", "--signal", "likelihood"],
]


def name_of(argv):
    """The words of a command line that name the command."""
    names = {name for name, _ in commands()}
    words = next(" ".join(argv[:n]) for n in (3, 2, 1) if " ".join(argv[:n]) in names)
    return "bench run" if argv[:2] == ["bench", "run", "problems.jsonl"] else words


def test_every_command_that_prints_a_result_has_json():
    without = SAY_WHAT_THEY_DID | PRINT_ONE_THING_AS_IT_IS | ARE_NO_COMMAND_OF_A_SCRIPT | WRITE_JSON_LINES
    assert having("--json") == {name for name, _ in commands()} - without
    assert having("--json") == {name_of(argv) for argv in JSON}


def test_every_command_that_says_more_than_its_result_has_quiet():
    without = SAY_WHAT_THEY_DID | PRINT_ONE_THING_AS_IT_IS | HAVE_NOTHING_TO_LEAVE_OUT | {"serve"}
    assert having("-q") == {name for name, _ in commands()} - (without - {"models quantize", "models verify"})


@pytest.mark.parametrize("argv", JSON, ids=" ".join)
def test_json_is_one_document_and_nothing_else_is_on_stdout(used, capsys, argv):
    main([*argv, "--json"])
    assert json.loads(capsys.readouterr().out)


LISTS = [
    (["models"], ["small", "large"]),
    (["models", "list"], ["small", "large"]),
    (["sessions"], ["demo"]),
    (["sessions", "list"], ["demo"]),
    (["sessions", "search", "hello"], ["demo"]),
    (["templates"], ["short"]),
    (["templates", "list"], ["short"]),
]


@pytest.mark.parametrize(("argv", "names"), LISTS, ids=str)
def test_quiet_leaves_the_names_of_a_list(used, capsys, argv, names):
    assert main([*argv, "-q"]) == Exit.OK
    assert capsys.readouterr() == ("".join(f"{name}\n" for name in names), "")


@pytest.mark.parametrize(
    "argv",
    [
        ["ask", "Hello", "-n", "400", "--mode", "target"],
        ["replay", "run.jsonl"],
        ["sessions", "show", "demo"],
        ["bench", "run", "problems.jsonl", "-o", "results.jsonl", "--modes", "target,confspec", "-n", "20"],
        ["batch", "prompts.txt"],
        ["batch", "prompts.txt", "-o", "records.jsonl"],
        ["pull", "ours"],
        ["models", "verify", "ours"],
        ["models", "quantize", "small", "Q4_0"],
    ],
    ids=" ".join,
)
def test_quiet_keeps_the_result_and_says_nothing_else(used, capsys, argv):
    main([*argv, "-q"])
    quiet = capsys.readouterr()
    assert [
        line for line in quiet.err.splitlines() if not line.startswith(("warning:", "confspec:", "  ", "Stop"))
    ] == []
    is_silent = argv[0] in ("pull", "models") or "records.jsonl" in argv
    assert bool(quiet.out) is not is_silent


def test_doctor_tells_quietly_of_problems_alone(home, capsys):
    main(["doctor"])
    every = capsys.readouterr().out
    main(["doctor", "-q"])
    quiet = capsys.readouterr().out
    assert "ok  " in every and "ok  " not in quiet
    assert set(quiet.splitlines()) <= set(every.splitlines())


@pytest.mark.parametrize(
    "argv", [["ask", "Hello", "--format", "jsonl"], ["bench", "show", "results.jsonl", "--format", "csv"]], ids=" ".join
)
def test_json_beside_another_format_is_a_mistake(used, capsys, argv):
    assert main([*argv, "--json"]) == Exit.USAGE
    assert "ask for different formats" in capsys.readouterr().err
