"""The measurements behind the documentation run from a checkout, and the documentation names them as they are."""

import re
import runpy
import sys
from pathlib import Path

import pytest

from benchmarks import many_cascades

ROOT = Path(__file__).parents[2]
MODULES = sorted(path.stem for path in (ROOT / "benchmarks").glob("*.py") if path.stem != "__init__")
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]


@pytest.mark.parametrize("module", MODULES)
def test_a_measurement_says_how_it_is_run(module, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", [module, "--help"])
    monkeypatch.delitem(sys.modules, f"benchmarks.{module}", raising=False)
    with pytest.raises(SystemExit) as ended:
        runpy.run_module(f"benchmarks.{module}", run_name="__main__")
    assert ended.value.code == 0
    assert f"python -m benchmarks.{module}" in capsys.readouterr().out


def test_every_measurement_is_named_in_the_documentation_and_every_module_named_there_exists():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert set(re.findall(r"python -m benchmarks\.(\w+)", text)) == set(MODULES)
    for module in re.findall(r"python -m (confspec_cli[\w.]*)", text):
        path = ROOT / module.replace(".", "/")
        assert path.with_suffix(".py").exists() or (path / "__main__.py").exists(), module


def test_many_cascades_at_once_all_end_and_are_counted():
    with many_cascades.server(steps=8) as url:
        step, each, seconds = many_cascades.measured(url, jobs=4, replies=8)
    assert 0 < step < 1e3 * seconds
    assert abs(each) < 100
