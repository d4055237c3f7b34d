"""A run of real models in a pseudo-terminal of 40, 80 and 200 columns: what is shown meanwhile, and what stays."""

import io
import json
import os
import re
import sys

import pexpect
import pytest
from rich.cells import cell_len
from support.screen import Screen
from support.terminal import in_terminal

ENDLESS = {"<|im_end|>": -40, "<|end|>": -40}
KEPT, FINISHED, STRUCK = "33", "35", "2;9"


@pytest.fixture
def env(tiny, tmp_path):
    """A pair whose models mostly agree, with a gate that has the target read every step and keep what it can."""
    files = {
        "small": tiny("llama", seed=3, drift=0.05, context=32768, bias=ENDLESS),
        "large": tiny("llama", seed=3, context=32768, bias=ENDLESS),
    }
    models = {name: {"files": [{"name": path.name, "sources": [{"path": str(path)}]}]} for name, path in files.items()}
    gate = {"signal": "likelihood", "accept": 1.0, "reject": 0.0, "target": 0.02, "min_token_prob": 0.0001}
    pair = {"draft": "small", "target": "large", "gate": gate}
    own = {"schema": 2, "default_pair": "ours", "models": models, "pairs": {"ours": pair}}
    (tmp_path / "models.yaml").write_text(json.dumps(own))
    given = {**os.environ, "TERM": "xterm-256color", "CONFSPEC_CONFIG_DIR": str(tmp_path), "CONFSPEC_NO_LOG": "1"}
    return {name: value for name, value in given.items() if name not in ("NO_COLOR", "CI", "FORCE_COLOR")}


@pytest.fixture(params=[40, 80, 200])
def width(request):
    return request.param


def spawn(env, width, *arguments):
    """An `ask` in a terminal, and all that it sends there."""
    argv = [sys.executable, "-m", "confspec_cli", "ask", "--task", "plain", "--always-draft", "--threads", "2"]
    child = in_terminal([*argv, *arguments], env, width=width)
    child.logfile_read = io.StringIO()
    return child


def sent(env, width, *arguments):
    child = spawn(env, width, *arguments)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 8  # these models never end
    return child.logfile_read.getvalue()


def screen_of(text, width):
    screen = Screen(width, 300)
    screen.write(text.replace("\r", ""))
    return screen


def styled(text):
    """The last drawing of every piece of text, by its style."""
    found = re.findall(r"\x1b\[([\d;]+)m([^\x1b]+)", text)
    return {piece.strip(): style for style, piece in found if piece.strip()}


def mixed(env, width, *more):
    return sent(env, width, "Hello", "-n", "150", "--max-step-tokens", "30", *more)


def test_a_mixed_run_tells_who_wrote_and_who_checked_every_step(env, width):
    screen = screen_of(mixed(env, width), width)
    labels = re.findall(r"^ ?(\d+) (▲ escalated|▲↻ salvaged|↻ target)", screen.text, re.MULTILINE)
    assert [int(n) for n, _ in labels] == list(range(1, len(labels) + 1))
    assert {label for _, label in labels} == {"▲ escalated", "▲↻ salvaged", "↻ target"}
    assert screen.text.count("tokens/s") == 1
    for gone in ("… draft", "checking", "loading", "Ctrl-C"):
        assert gone not in screen.text
    assert max(cell_len(line) for line in screen.lines) < width
    assert screen.cursor_shown


def test_a_salvaged_step_changes_its_colour_where_the_target_took_over(env, width):
    steps = mixed(env, width).split("▲↻ salvaged")
    for step in steps[1:]:
        colours = re.findall(r"\x1b\[(33|35)m\s*\S", step.partition("\x1b[2K")[0])
        assert KEPT in colours and FINISHED in colours
        assert colours.index(FINISHED) > colours.index(KEPT)


def test_what_was_rejected_is_struck_through_and_says_by_whom(env, width):
    text = mixed(env, width, "--show-rejected")
    assert any(style == STRUCK for style in styled(text).values())
    said = " ".join(screen_of(text, width).text.replace(" · ", " ").split())
    assert re.search(r"✗ draft .*? rejected by the target \(0\.0\d < 0\.02\) \d+ tokens, [\d.]+ s", said)
    assert re.search(r" \d+ of them kept 2 ▲↻ salvaged", said)


def test_every_checked_step_has_its_figures_at_the_right(env, width):
    lines = screen_of(mixed(env, width, "--show-confidence", "--show-rejected"), width).lines
    figures = [line for line in lines if re.search(r"\d\.\d\d → \d\.\d\d$", line)]
    assert len({cell_len(line) for line in figures}) == 1
    assert len(figures) == sum(bool(re.match(r" *(\d+ ▲ escalated|✗ draft)", line)) for line in lines)
    assert max(cell_len(line) for line in lines) < width


def test_loading_is_one_line_that_fits_and_goes(env, width):
    text = sent(env, width, "Hello", "-n", "20")
    loading = re.findall(r"loading [^\x1b\r\n]*?\d+%", text)
    assert loading
    assert max(map(cell_len, loading)) < width
    assert "loading" not in screen_of(text, width).text


def test_how_far_a_long_prompt_is_read_is_told_while_it_is_read(env, width, tmp_path):
    (tmp_path / "long.txt").write_text("All work and no play makes Jack a dull boy. " * 250)
    text = sent(env, width, "Go on", "-f", str(tmp_path / "long.txt"), "-n", "20", "--context", "32768")
    reading = re.findall(r"reading prompt [\d,]+/[\d,]+[^\x1b\r\n]*", text)
    assert reading
    assert max(map(cell_len, reading)) < width
    assert "reading" not in screen_of(text, width).text
