"""The first minute in a terminal: what this is, what is fetched, what there is instead, and one question."""

import os
import re
import sys

import pexpect
import pytest
from support.terminal import in_terminal


@pytest.fixture
def confspec(tmp_path):
    """A command in a terminal of a machine without models."""
    folders = {"CONFSPEC_MODELS": "models", "CONFSPEC_CONFIG_DIR": "config", "HF_HOME": "hf"}
    env = {**os.environ, "TERM": "xterm-256color", **{name: str(tmp_path / folder) for name, folder in folders.items()}}
    env = {name: value for name, value in env.items() if name not in ("NO_COLOR", "CI", "FORCE_COLOR", "HF_HUB_CACHE")}

    def start(*argv, width=80):
        return in_terminal([sys.executable, "-m", "confspec_cli", *argv], env, width=width)

    return start


@pytest.mark.parametrize("argv", [[], ["Why is the sky blue?"]])
@pytest.mark.parametrize("width", [40, 80, 200])
def test_with_nothing_installed_it_says_what_it_is_and_asks_one_question(confspec, argv, width):
    child = confspec(*argv, width=width)
    child.expect(r"Download (\S+ GB) now\? \[Y/n\]:")
    text = child.before
    lines = text.splitlines()
    assert lines[0].startswith("Welcome to confspec: a small model")
    assert max(map(len, lines)) < width
    flat = " ".join(text.split())
    assert re.search(r"Smaller: confspec -p tiny \(\S+ MB\)", flat)
    assert "confspec --draft http://HOST:PORT --target http://HOST:PORT" in flat
    assert "qwen2.5-coder-1.5b-q4_k_m (1.1 GB)" in flat
    child.sendline("n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 3
    assert "Nothing downloaded." in child.before
    assert "confspec pull starter" in child.before


def test_the_smallest_pair_offers_no_smaller_one(confspec):
    child = confspec("-p", "tiny", "Why is the sky blue?")
    child.expect(r"Download \S+ MB now\? \[Y/n\]:")
    assert "Welcome" in child.before
    assert "Smaller" not in child.before
    child.sendline("n")
    child.expect("confspec pull tiny")
    child.expect(pexpect.EOF)


@pytest.mark.parametrize("width", [40, 80])
def test_a_mistake_is_wrapped_between_words_and_the_command_to_type_is_in_one_piece(confspec, width):
    child = confspec("ask", "Why is the sky blue?", "--no-log", "--max-tokens", "100", "--json", "-x", width=width)
    child.expect(pexpect.EOF)
    *sentence, hint = child.before.replace("\r", "").strip("\n").split("\n")
    assert len(sentence) > 1
    assert max(map(len, sentence)) < width
    assert " ".join(sentence).startswith("confspec: --extract only works with text output; with --format json use")
    assert hint == "  confspec ask 'Why is the sky blue?' --no-log --max-tokens 100 --json"
