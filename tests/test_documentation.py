"""What the documentation says of this repository is so."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = sorted(page.relative_to(ROOT).as_posix() for page in [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")])
PATH = re.compile(r"`((?:confspec_cli|benchmarks|tests|docs|scripts)/[^`\s]*|models\.yaml)`")
LINK = re.compile(r"\]\((?!https?:|#)([^)#\s]+)")


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "SECURITY.md", "docs/architecture.md"])
def test_every_path_a_page_names_exists(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = [path for path in PATH.findall(text) if "<" not in path]
    assert [path for path in named if not any(ROOT.glob(path))] == []


@pytest.mark.parametrize("page", PAGES)
def test_every_link_between_pages_leads_somewhere(page):
    file = ROOT / page
    links = LINK.findall(file.read_text(encoding="utf-8"))
    assert [link for link in links if not (file.parent / link).exists()] == []


def test_the_architecture_page_says_where_every_folder_is():
    text = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    folders = [folder.name for folder in (ROOT / "confspec_cli").iterdir() if (folder / "__init__.py").exists()]
    assert [name for name in folders if f"| `confspec_cli/{name}` |" not in text] == []
