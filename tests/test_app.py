"""The command line as a whole: its commands by name, imported when they are called."""

import shlex

import pytest

from confspec_cli.app import COMMANDS, main
from confspec_cli.errors import Exit


def test_the_help_names_every_command_in_a_line_of_its_own(capsys):
    assert main(["--help"]) == Exit.OK
    lines = capsys.readouterr().out.splitlines()
    for name, words in COMMANDS.items():
        assert f"  {name:<9}  {words}" in lines


def test_every_command_can_be_called(capsys):
    for name in COMMANDS:
        assert main([name, "--help"]) == Exit.OK
        assert f"confspec {name}" in capsys.readouterr().out


def test_a_command_line_without_a_command_is_a_mistake_that_shows_the_help(capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: False, raising=False)
    assert main([]) == Exit.USAGE
    assert "Commands:" in capsys.readouterr().out


def test_a_misspelt_command_is_met_with_the_one_that_was_meant(capsys):
    assert main(["aks"]) == Exit.USAGE
    assert "Did you mean 'ask'?" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("typed", "here"),
    [
        ("list", "confspec models"),
        ("ls", "confspec models"),
        ("rm tiny", "confspec models rm tiny"),
        ("show tiny", "confspec models show tiny"),
        ("run", "confspec chat"),
        ("run tiny", "confspec chat -p tiny"),
        ("run tiny 'Why is it?'", "confspec ask -p tiny 'Why is it?'"),
        ("download tiny", "confspec pull tiny"),
        ("logs list", "confspec sessions"),
        ("help ask", "confspec --help"),
        ("gravity", "confspec ask gravity"),
    ],
)
def test_what_other_tools_call_a_command_is_told_by_its_name_here(capsys, typed, here):
    assert main(shlex.split(typed)) == Exit.USAGE
    assert capsys.readouterr().err.splitlines()[-1] == f"  {here}"


@pytest.mark.parametrize(
    ("argv", "words", "command"),
    [
        (["aks"], "No such command 'aks'. Did you mean 'ask'?", "confspec --help"),
        (["ask", "--temprature", "1"], "No such option: --temprature", "confspec ask --help"),
        (["ask", "--mode", "foo"], "'foo' is not one of", "confspec ask --help"),
        (["sessions", "rm"], "Missing argument 'NAME", "confspec sessions rm --help"),
    ],
)
def test_a_wrong_command_line_is_told_like_every_other_error(capsys, argv, words, command):
    assert main(argv) == Exit.USAGE
    said = capsys.readouterr()
    assert said.out == ""
    first, hint = said.err.splitlines()
    assert first.startswith("confspec: ")
    assert words in first
    assert hint == f"  {command}"
