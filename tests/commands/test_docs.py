"""The reference pages say what the code says."""

import os
import shutil
import subprocess
from pathlib import Path

import generate_docs as docs
import pytest

from confspec_cli.app import COMMANDS
from confspec_cli.errors import Exit

FOLDER = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(
    ("name", "page"), [("cli.md", docs.cli_page), ("events.md", docs.events_page), ("confspec.1", docs.manual)]
)
def test_a_page_is_as_it_was_written_from_the_code(name, page):
    written = (FOLDER / name).read_text(encoding="utf-8")
    assert page() == written, "stale: python scripts/generate_docs.py"


def test_a_page_does_not_depend_on_the_terminal(monkeypatch):
    first = docs.cli_page()
    for name, value in {"COLUMNS": "40", "TERM": "dumb", "FORCE_COLOR": "1", "CONFSPEC_PAIR": "tiny"}.items():
        monkeypatch.setenv(name, value)
    assert docs.cli_page() == first
    assert "\x1b" not in first


def test_the_pages_are_written_where_asked(tmp_path):
    docs.write(tmp_path / "docs")
    assert sorted(file.name for file in (tmp_path / "docs").iterdir()) == ["cli.md", "confspec.1", "events.md"]


def test_the_man_page_has_every_command_and_exit_code_and_no_line_that_roff_would_obey():
    page = docs.manual()
    assert all(f".SS confspec {name}" in page for name in COMMANDS)
    assert all(f".B {code.value}\n" in page for code in Exit)
    requests = {line.split()[0] for line in page.splitlines() if line.startswith((".", "'"))}
    assert requests <= {'.\\"', ".TH", ".SH", ".SS", ".TP", ".B", ".I", ".PP"}


@pytest.mark.skipif(not shutil.which("man"), reason="there is no man here")
def test_man_shows_it_without_a_warning():
    done = subprocess.run(
        ["man", "--warnings", "-l", str(FOLDER / "confspec.1")],
        env={**os.environ, "MANWIDTH": "80", "PAGER": "cat", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    assert "confspec sessions prune" in done.stdout
