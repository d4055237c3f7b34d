"""The help of every command: the options of every day, all of them with --help-all, and nothing of Typer's noise."""

import os
import re
import shlex
import subprocess
import sys

import pytest
import typer

from confspec_cli.app import COMMANDS, app, main
from confspec_cli.errors import Exit
from confspec_cli.help_page import EXAMPLES, ROOT_OPTIONS, page


def contexts(command, context):
    """The context of a command and of every command below it."""
    yield context
    for name in getattr(command, "commands", {}):
        _, below, _ = command.resolve_command(context, [name])
        yield from contexts(below, typer.Context(below, info_name=name, parent=context))


def every():
    root = typer.main.get_command(app)
    return list(contexts(root, typer.Context(root, info_name="confspec")))


def options(text):
    return set(re.findall(r"^  (?:-\w, )?(--[\w-]+)", text, re.MULTILINE))


@pytest.fixture(params=[40, 80, 200])
def width(request, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(request.param))
    return request.param


def test_no_page_has_types_in_brackets_or_bounds(width):
    for context in every():
        for whole in (False, True):
            text = page(context, whole)
            assert not re.search(r"<\w+( \w+)?>|<=x|x[<>]=", text.replace("<think>", "")), context.command_path


def test_words_fit_the_terminal_and_no_line_is_longer_than_is_good_to_read(width):
    for context in every():
        prose = page(context, whole=True).split("\nExamples:")[-1].split("\n\n", 1)[-1]
        wide = [line for line in prose.splitlines() if len(line) > max(min(width, 100), 46)]
        assert [line for line in wide if not line.lstrip().startswith(("-", "[", "confspec", "http"))] == []


@pytest.mark.parametrize("name", ["ask", "chat", "batch"])
def test_a_command_with_many_options_shows_a_dozen_and_all_of_them_when_asked(capsys, name):
    assert main([name, "--help"]) == Exit.OK
    short = capsys.readouterr().out
    assert main([name, "--help-all"]) == Exit.OK
    everything = capsys.readouterr().out
    assert 5 <= len(options(short) - {"--help", "--help-all"}) <= 14
    assert options(short) < options(everything)
    assert "--min-token-prob" in options(everything) - options(short)
    assert "[CONFSPEC_PAIR]" in everything
    assert "CONFSPEC_" not in short


def test_a_command_with_few_options_shows_them_all_at_once(capsys):
    assert main(["fit", "--help"]) == Exit.OK
    text = capsys.readouterr().out
    assert {"--context", "--kv-type", "--json"} <= options(text)
    assert "--help-all" not in text


def test_everything_names_the_commands_below_commands_and_their_words(capsys):
    assert main(["--help-all"]) == Exit.OK
    text = capsys.readouterr().out
    assert "  models pair add " in text
    assert "--install-completion" in text


def test_the_examples_are_commands_with_options_there_are():
    known = {context.command_path.partition(" ")[2]: options(page(context, True)) for context in every()}
    short = {"-x", "-f", "-c", "-p", "-o", "-s", "-t"}
    for examples in EXAMPLES.values():
        for example in examples:
            words = shlex.split(
                example.rpartition("| confspec")[2] if "| confspec" in example else example, comments=True
            )
            words = words[1:] if words[:1] == ["confspec"] else words
            path = " ".join(words[:2]) if " ".join(words[:2]) in known else " ".join(words[:1])
            path = "bench run" if path == "bench" else path if path in known else "ask"
            assert {word for word in words if word.startswith("--")} <= known[path], example
            assert {word for word in words if re.fullmatch("-[a-z]", word)} <= short, example


def test_what_the_command_line_may_begin_with_is_every_option_of_the_root(capsys):
    assert main(["--help-all"]) == Exit.OK
    assert options(capsys.readouterr().out.split("\nCommands:")[0]) == {one for one in ROOT_OPTIONS if one[1] == "-"}


@pytest.mark.parametrize("argv", [["--help"], ["ask", "-h"], ["ask", "--help-all"], ["models", "-h"]])
def test_a_pipe_closed_before_the_help_is_read_ends_quietly(argv):
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "confspec_cli", *argv], stdout=writing, stderr=subprocess.PIPE, text=True, check=False
    )
    os.close(writing)
    assert (done.returncode, done.stderr) == (Exit.OK, "")


@pytest.mark.parametrize(
    "argv", [["What is 2 + 2?"], ["2+2"], ["-p", "tiny", "Hello"], ["-q", "why?"], ["why not?", "-q"]]
)
def test_a_question_alone_is_asked(capsys, monkeypatch, tmp_path, argv):
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path))
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path))
    assert main([*argv, "--no-stdin"]) == Exit.MODEL_MISSING
    assert "Not downloaded yet" in capsys.readouterr().err


def test_a_word_that_is_no_command_may_have_been_a_question(capsys):
    assert main(["hello", "-p", "tiny"]) == Exit.USAGE
    assert capsys.readouterr().err.splitlines()[1:] == ["  confspec ask hello -p tiny"]


def test_an_option_without_its_value_names_the_help_of_its_command(capsys):
    assert main(["-p"]) == Exit.USAGE
    assert "confspec ask --help" in capsys.readouterr().err


def test_a_word_alone_is_a_command_and_not_a_question(capsys):
    for word in ("hello", *(f"{name}x" for name in COMMANDS)):
        assert main([word]) == Exit.USAGE
        assert f"No such command '{word}'" in capsys.readouterr().err
