"""confspec templates: list, show, edit and remove; and confspec use."""

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.models.registry import load

FRENCH = "prompt: Say in French\nsystem: Be brief.\nflags:\n  max-tokens: 60\n"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The folder of templates, with one in it."""
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    folder = tmp_path / "config" / "templates"
    folder.mkdir(parents=True)
    (folder / "french.yaml").write_text(FRENCH)
    return folder


@pytest.fixture
def editor(tmp_path, monkeypatch):
    """An editor that replaces the file by this text."""

    def writes(text):
        (tmp_path / "text").write_text(text)
        script = tmp_path / "editor"
        script.write_text(f'#!/bin/sh\ncat {tmp_path / "text"} > "$1"\n')
        script.chmod(0o755)
        monkeypatch.setenv("EDITOR", str(script))
        monkeypatch.setenv("VISUAL", str(script))

    return writes


def test_templates_are_listed_and_shown_as_they_are_written(folder, capsys):
    assert main(["templates"]) == Exit.OK
    header, line = capsys.readouterr().out.splitlines()
    assert header.split() == ["NAME", "OPTIONS", "PROMPT"]
    assert line.split() == ["french", "max-tokens,", "system", "Say", "in", "French"]
    assert main(["templates", "show", "french"]) == Exit.OK
    assert capsys.readouterr().out == FRENCH


def test_where_there_are_none_it_says_how_one_is_made(folder, capsys):
    (folder / "french.yaml").unlink()
    assert main(["templates", "list"]) == Exit.OK
    said = capsys.readouterr()
    assert said.out == ""
    assert "--save-template NAME" in said.err


@pytest.mark.parametrize("command", [["show"], ["edit"], ["rm", "-y"]])
def test_an_unknown_name_suggests_the_nearest(folder, capsys, command):
    assert main(["templates", *command, "frensh"]) == Exit.USAGE
    assert 'did you mean "french"?' in capsys.readouterr().err


def test_an_edit_is_kept(folder, editor):
    editor("prompt: Say in Spanish\n")
    assert main(["templates", "edit", "french"]) == Exit.OK
    assert (folder / "french.yaml").read_text() == "prompt: Say in Spanish\n"


def test_an_edit_that_could_not_be_used_changes_nothing(folder, editor, capsys):
    editor("promt: Say in Spanish\n")
    assert main(["templates", "edit", "french"]) == Exit.USAGE
    assert 'there is no key "promt" here; did you mean "prompt"' in capsys.readouterr().err
    assert (folder / "french.yaml").read_text() == FRENCH


@pytest.mark.parametrize(
    ("command", "words"), [("false", "exited with code 1"), ("/no/such", "cannot be started"), ("true", "Nothing was")]
)
def test_an_editor_that_fails_or_changes_nothing_changes_nothing(folder, monkeypatch, capsys, command, words):
    monkeypatch.setenv("VISUAL", command)
    main(["templates", "edit", "french"])
    assert words in capsys.readouterr().err
    assert (folder / "french.yaml").read_text() == FRENCH


def test_removing_asks_first(folder, capsys):
    assert main(["templates", "rm", "french"]) == Exit.USAGE
    assert "add --yes" in capsys.readouterr().err
    assert main(["templates", "rm", "french", "-y"]) == Exit.OK
    assert list(folder.iterdir()) == []


def test_use_makes_a_pair_the_default_and_says_what_is_not_here(folder, capsys):
    assert main(["use", "tiny"]) == Exit.OK
    assert load(folder.parent / "models.yaml").default_pair == "tiny"
    said = capsys.readouterr().err
    assert "tiny is now the default pair" in said
    assert "confspec pull tiny" in said
    assert main(["use", "tinny"]) == Exit.MODEL_MISSING
    assert 'did you mean "tiny"?' in capsys.readouterr().err
