"""Tables and lists fit a window of 80 columns."""

import importlib

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.render.wording import columns, labelled


@pytest.fixture(autouse=True)
def window(monkeypatch, tmp_path):
    """A terminal of 80 columns, and nothing downloaded."""
    for variable in ("CONFSPEC_CONFIG_DIR", "CONFSPEC_MODELS", "CONFSPEC_SESSIONS", "HF_HOME"):
        monkeypatch.setenv(variable, str(tmp_path / "a-folder-whose-path-is-quite-long" / variable.lower()))
    for command in ("fit", "models", "model_show", "pair_show", "pull", "sessions"):
        monkeypatch.setattr(importlib.import_module(f"confspec_cli.commands.{command}"), "width_of", lambda _: 80)


@pytest.mark.parametrize(
    "argv", [["models"], ["models", "show", "tiny"], ["models", "show", "starter"], ["pull", "--dry-run", "tiny"]]
)
def test_no_line_is_wider_than_the_window(argv, capsys):
    assert main(argv) == Exit.OK
    out = capsys.readouterr().out
    assert "tiny" in out or "0.5b" in out
    assert [line for line in out.splitlines() if len(line) > 80] == []


def test_what_does_not_fit_beside_a_row_stands_below_it():
    rows = [("NAME", "FROM", "INTO"), ("a" * 20, "b" * 20, "c" * 20)]
    assert columns(rows, 80, folded=2).count("\n") == 1
    assert columns(rows, 50, folded=2).splitlines()[-1] == f"    {'b' * 20}  {'c' * 20}"
    assert columns(rows, 40, folded=2).splitlines()[-2:] == [f"    {'b' * 20}", f"    {'c' * 20}"]


def test_a_long_text_goes_on_beside_its_label():
    assert labelled([("pair", "one two three four")], 24) == "pair         one two\n             three four"
    assert labelled([("pair", "one two three four")]) == "pair         one two three four"
