"""Options that commands share: what fits a mode, and what the environment may say that does not."""

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit

ASK = ["ask", "What?", "--no-stdin", "--no-log", "--target", "./none.gguf", "--draft", "./none.gguf"]


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))


@pytest.mark.parametrize("mode", ["target", "draft", "specreason"])
@pytest.mark.parametrize("option", ["--accept", "--reject", "--min-token-prob"])
def test_a_threshold_typed_where_there_is_no_gate_is_a_mistake(capsys, mode, option):
    assert main([*ASK, option, "0.5", "--mode", mode]) == Exit.USAGE
    assert f"--mode {mode} has no gate" in capsys.readouterr().err


def test_the_mode_may_come_from_the_environment_too(capsys, monkeypatch):
    monkeypatch.setenv("CONFSPEC_MODE", "target")
    assert main([*ASK, "--accept", "0.5"]) == Exit.USAGE
    assert "--mode target has no gate" in capsys.readouterr().err


@pytest.mark.parametrize("mode", ["target", "draft", "specreason"])
def test_a_threshold_of_the_environment_is_left_alone_where_there_is_no_gate(capsys, monkeypatch, mode):
    monkeypatch.setenv("CONFSPEC_ACCEPT", "0.9")
    monkeypatch.setenv("CONFSPEC_MIN_TOKEN_PROB", "0.1")
    assert main([*ASK, "--mode", mode]) == Exit.USAGE
    assert "none.gguf" in capsys.readouterr().err


def test_what_the_environment_says_of_single_runs_does_not_stop_a_benchmark(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("CONFSPEC_SPECULATE", "off")
    monkeypatch.setenv("CONFSPEC_ACCEPT", "0.9")
    (tmp_path / "some.jsonl").write_text('{"question": "What is 1 + 1?", "answer": "2"}')
    assert main(["bench", "some.jsonl", "--modes", "target", "--target", "./none.gguf"]) == Exit.USAGE
    assert "none.gguf" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--threads", "--context", "--max-tokens", "--top-k", "--seed", "--gpu-layers"])
def test_a_number_beyond_32_bits_is_refused(capsys, option):
    assert main([*ASK, option, "99999999999"]) == Exit.USAGE
    assert option in capsys.readouterr().err
