"""Hints about options are shown as the whole command to type."""

import pytest

from confspec_cli.app import _command, main
from confspec_cli.commands._retyping import retyped
from confspec_cli.errors import Exit


def hint_of(capsys, *argv):
    assert main(argv) == Exit.USAGE
    return capsys.readouterr().err.splitlines()[-1].strip()


def test_thresholds_given_crossed_are_shown_the_right_way_round(capsys):
    argv = ["ask", "-q", "--no-stdin", "What is it?", "--accept", "0.2", "--reject=0.5"]
    assert hint_of(capsys, *argv) == "confspec ask --accept 0.5 --reject 0.2 -q --no-stdin 'What is it?'"


def test_what_is_to_be_left_out_is_left_out(capsys):
    argv = ["ask", "Hello", "--extract", "--format", "json"]
    assert hint_of(capsys, *argv) == "confspec ask Hello --format json"


def test_what_is_to_be_known_stays_behind_the_command(capsys):
    assert hint_of(capsys, "fit", "tiny", "--kv-type", "q5") == "confspec fit --kv-type f16 tiny   # or q8_0, q4_0"


@pytest.fixture
def ask():
    return _command("ask")


@pytest.mark.parametrize(
    ("hint", "argv", "says"),
    [
        ("--max-tokens 20", ["ask", "-n", "10", "Hi"], "confspec ask --max-tokens 20 Hi"),
        ("leave out --think-budget", ["ask", "--think-budget", "9", "Hi"], "confspec ask Hi"),
        ("leave out --no-think", ["ask", "--no-think", "Hi"], "confspec ask Hi"),
        ("--context 9", ["ask", "Hi", "--", "--context"], "confspec ask --context 9 Hi -- --context"),
        ("leave out --think", ["ask", "Hi"], "leave out --think"),
        ("confspec doctor", ["ask", "Hi"], "confspec doctor"),
        ("--context 9", ["ask", "Hi" * 500], "--context 9"),
    ],
)
def test_a_hint_is_applied_to_the_command_that_failed(hint, argv, says, ask):
    assert retyped(hint, argv, ask) == says


def test_a_name_that_is_not_there_is_asked_for_by_the_one_like_it(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path))
    assert main(["ask", "$input", "--task", "qa", "--save-template", "short"]) == Exit.OK
    assert hint_of(capsys, "ask", "-t", "shrt", "Hi") == 'confspec ask -t short "..."'


def test_a_file_that_is_not_there_is_looked_for(capsys, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert hint_of(capsys, "replay", "nofile") == "ls"
    assert hint_of(capsys, "batch", "nofile") == "ls"
    assert hint_of(capsys, "batch", str(tmp_path / "no file")) == f"ls {tmp_path}"


def test_an_unknown_model_may_be_a_pair_mistyped(capsys):
    assert main(["models", "show", "tinny"]) == Exit.MODEL_MISSING
    assert 'Unknown pair or model "tinny"; did you mean "tiny"?' in capsys.readouterr().err
