"""Templates: saved and loaded, wrong ones told by line, and on the command line behind everything typed."""

import json

import pytest
from test_ask import ask, own_folders, speak  # noqa: F401 - fixtures

from confspec_cli.app import main
from confspec_cli.commands._input import worded
from confspec_cli.errors import ConfigError, Exit, UsageError
from confspec_cli.storage import templates
from confspec_cli.storage.templates import Template


def test_a_template_survives_being_saved(tmp_path):
    template = Template(
        "Say in French:\n$input", {"system": "Être bref.", "pair": "tiny", "max_tokens": 60, "quiet": True}
    )
    file = templates.save(tmp_path / "templates", "french", template)
    assert file.read_text(encoding="utf-8").startswith("prompt:")
    assert templates.load(tmp_path / "templates", "french") == Template(
        template.prompt, {"max_tokens": 60, "quiet": True, "system": "Être bref.", "pair": "tiny"}
    )
    assert templates.names(tmp_path / "templates") == ["french"]


def test_saving_never_overwrites_and_leaves_no_scraps(tmp_path):
    templates.save(tmp_path, "one", Template("first", {}))
    with pytest.raises(UsageError, match="already"):
        templates.save(tmp_path, "one", Template("second", {}))
    assert [file.name for file in tmp_path.iterdir()] == ["one.yaml"]


@pytest.mark.parametrize("name", ["", "../x", "a/b", ".hidden", "a b"])
def test_a_name_is_a_file_name(tmp_path, name):
    with pytest.raises(UsageError, match="cannot be the name"):
        templates.save(tmp_path, name, Template("x", {}))


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("promt: x", 'line 1: there is no key "promt" here; did you mean "prompt"'),
        ("system: [a]", "line 1: system must be text"),
        ("flags: fast", "flags must be a table"),
        ("- a", "must be a table"),
        ("a: [", "line 1"),
    ],
)
def test_a_template_that_is_wrong_is_told_by_file_and_line(tmp_path, text, words):
    (tmp_path / "bad.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError) as problem:
        templates.load(tmp_path, "bad")
    assert words in str(problem.value)
    assert "bad.yaml" in str(problem.value)


def test_an_unknown_template_suggests_the_nearest(tmp_path):
    templates.save(tmp_path, "french", Template("x", {}))
    with pytest.raises(UsageError, match='did you mean "french"'):
        templates.load(tmp_path, "frensh")


@pytest.mark.parametrize(
    ("template", "given", "whole"),
    [
        (None, "Hello", "Hello"),
        ("In French: $input!", "Hello", "In French: Hello!"),
        ("$input $input", "Hello", "Hello Hello"),
        ("Translate to French.\n", "Hello", "Translate to French.\n\nHello"),
        ("Tell a joke.", "", "Tell a joke."),
    ],
)
def test_the_question_goes_where_the_template_wants_it_or_after_it(template, given, whole):
    assert worded(template, given) == whole


def started(capsys):
    return json.loads(capsys.readouterr().out.splitlines()[0])


def test_a_saved_command_line_is_used_again_and_what_is_typed_goes_first(ask, capsys, monkeypatch):  # noqa: F811
    saving = ["In verse: $input", "-s", "Be a poet.", "--task", "qa", "--accept", "0.4", "--format", "jsonl"]
    assert ask(*saving, "--save-template", "verse") == Exit.OK
    out, err = capsys.readouterr()
    assert out == ""
    assert "verse.yaml" in err
    ask("-t", "verse", "eggs")
    first = started(capsys)
    assert (first["prompt"], first["system"]) == ("In verse: eggs", "Be a poet.")
    assert (first["parameters"]["task"], first["parameters"]["accept"]) == ("qa", 0.4)
    monkeypatch.setenv("CONFSPEC_ACCEPT", "0.5")
    ask("-t", "verse", "eggs")
    assert started(capsys)["parameters"]["accept"] == 0.5
    ask("-t", "verse", "eggs", "--accept", "0.6", "-s", "")
    first = started(capsys)
    assert (first["parameters"]["accept"], first["system"]) == (0.6, "")


def test_a_template_grows_from_another(ask, capsys):  # noqa: F811
    ask("In verse: $input", "--accept", "0.4", "--save-template", "one")
    ask("-t", "one", "--reject", "0.2", "--format", "jsonl", "--save-template", "two")
    capsys.readouterr()
    ask("-t", "two", "eggs")
    first = started(capsys)
    assert first["prompt"] == "In verse: eggs"
    assert (first["parameters"]["accept"], first["parameters"]["reject"]) == (0.4, 0.2)


def test_saving_needs_no_model_and_reads_no_input(speak, capsys):  # noqa: F811
    speak(b"piped")
    assert main(["ask", "--task", "code", "--save-template", "c"]) == Exit.OK
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("flags: {max-token: 5}", '"--max-token"; did you mean "max-tokens"'),
        ("flags: {max-tokens: many}", "integer"),
        ("task: poetry", "poetry"),
        ("flags: {template: other}", '"--template"'),
    ],
)
def test_an_option_no_command_has_is_a_mistake_in_the_template(speak, capsys, tmp_path, text, words):  # noqa: F811
    folder = tmp_path / "config" / "templates"
    folder.mkdir(parents=True)
    (folder / "bad.yaml").write_text(text, encoding="utf-8")
    assert main(["ask", "-t", "bad", "x"]) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_a_template_with_words_of_its_own_needs_no_question(ask, capsys):  # noqa: F811
    ask("Tell a joke.", "--format", "jsonl", "--save-template", "joke")
    capsys.readouterr()
    ask("-t", "joke")
    assert started(capsys)["prompt"] == "Tell a joke."
    assert main(["ask", "$input", "--save-template", "bare"]) == Exit.OK
    assert main(["ask", "-t", "bare"]) == Exit.USAGE
    assert "No question given" in capsys.readouterr().err
