"""The reference pages say what the code says."""

from pathlib import Path

import generate_docs as docs
import pytest

FOLDER = Path(__file__).parents[2] / "docs"


@pytest.mark.parametrize(("name", "page"), [("cli.md", docs.cli_page), ("events.md", docs.events_page)])
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
    assert sorted(file.name for file in (tmp_path / "docs").iterdir()) == ["cli.md", "events.md"]
