"""confspec config: what is set and by what, the file, and where data lies."""

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit

OWN = """# mine
schema: 2
default_pair: tiny
settings: {log: false}
pairs:
  tiny:
    max_tokens: 77
    gates:
      math: {accept: 0.66}
      code: {reject: 0.11}
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's models.yaml, which is not there yet."""
    for name in ("PAIR", "DRAFT", "TARGET", "MODE", "TASK", "ACCEPT", "TEMPERATURE"):
        monkeypatch.delenv(f"CONFSPEC_{name}", raising=False)
    for name in ("CONFIG_DIR", "MODELS", "SESSIONS", "HISTORY", "CACHE"):
        monkeypatch.setenv(f"CONFSPEC_{name}", str(tmp_path / name.lower()))
    return tmp_path / "config_dir" / "models.yaml"


@pytest.fixture
def shown(capsys):
    """Each setting with its value and where that is from."""

    def settings(*options):
        assert main(["config", *options]) == Exit.OK
        lines = capsys.readouterr().out.splitlines()
        return {name: (value, *source) for name, value, *source in (line.split() for line in lines)}

    return settings


def test_what_nobody_set_is_built_in_or_of_the_pair(own, shown):
    settings = shown()
    assert settings["pair"] == ("starter", "built", "in")
    assert settings["temperature"] == ("0", "built", "in")
    assert settings["accept"][1:] == ("pair", "starter")


def test_what_is_set_says_where(own, shown, monkeypatch):
    own.parent.mkdir()
    own.write_text(OWN)
    monkeypatch.setenv("CONFSPEC_TEMPERATURE", "0.3")
    settings = shown("show", "--reject", "0.2")
    assert settings["pair"] == ("tiny", str(own))
    assert settings["max-tokens"] == ("77", str(own))
    assert settings["accept"] == ("0.66", str(own))
    assert settings["reject"] == ("0.2", "command", "line")
    assert shown()["reject"][1:] == ("pair", "tiny")
    assert settings["temperature"] == ("0.3", "CONFSPEC_TEMPERATURE")
    assert settings["log"] == ("off", str(own))


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (("--gate", "nonsense"), 'There is no gate "nonsense".'),
        (("--kv-type", "q3"), 'Unknown KV cache type "q3".'),
        (("--target", ""), "--target is empty."),
    ],
)
def test_what_a_run_would_refuse_is_refused(own, capsys, options, words):
    assert main(["config", "show", "--task", "math", *options]) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_the_gate_asked_for_is_shown(own, shown):
    assert shown()["gate"] == ("auto", "built", "in")
    assert shown("show", "--gate", "target")["gate"] == ("target", "command", "line")


def test_bare_config_heeds_the_environment_too(own, shown, monkeypatch):
    monkeypatch.setenv("CONFSPEC_PAIR", "tiny")
    assert shown()["pair"] == ("tiny", "CONFSPEC_PAIR")


def test_path_names_the_file(own, capsys):
    assert main(["config", "path"]) == Exit.OK
    assert capsys.readouterr().out == f"{own}\n"


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [(OWN, Exit.OK, "Saved in"), ("default_pair: none\n", Exit.USAGE, 'there is no pair "none"')],
)
def test_an_edit_is_kept_where_it_can_be_read_again(own, tmp_path, monkeypatch, capsys, text, code, words):
    (tmp_path / "text").write_text(text)
    editor = tmp_path / "editor"
    editor.write_text(f'#!/bin/sh\ncat {tmp_path / "text"} > "$1"\n')
    editor.chmod(0o755)
    monkeypatch.setenv("VISUAL", str(editor))
    assert main(["config", "edit"]) == code
    assert words in capsys.readouterr().err
    assert own.exists() == (code == Exit.OK)
    if own.exists():
        assert own.read_text() == text


def test_where_says_how_to_remove_what_is_there(own, tmp_path, capsys):
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "a.gguf").write_bytes(b"x" * 2000)
    assert main(["config", "where"]) == Exit.OK
    out = capsys.readouterr().out
    assert f"2.0 kB  {tmp_path / 'models'}" in out
    assert f"rm -r {tmp_path / 'models'}\n" in out
    assert "pip uninstall confspec-cli" in out
