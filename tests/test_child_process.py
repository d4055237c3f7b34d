"""Child processes import from where this one does, and nothing from the current folder."""

import subprocess
import sys

import pytest

from confspec_cli.child_process import python_module


@pytest.mark.parametrize("name", ["tempfile", "runpy", "json", "pip", "numpy", "llama_cpp"])
def test_nothing_in_the_current_folder_is_run(tmp_path, name):
    (tmp_path / f"{name}.py").write_text("raise SystemExit('this should not run')")
    command = python_module("pip", "--version") if name == "pip" else python_module("this")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_module_on_the_path_of_the_parent_is_found_and_gets_its_arguments(tmp_path, monkeypatch):
    (tmp_path / "only_here.py").write_text("import sys; print(__name__, sys.argv[1:])")
    monkeypatch.syspath_prepend(str(tmp_path))
    command = python_module("only_here", "one", "two words")
    done = subprocess.run(command, cwd="/", capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "__main__ ['one', 'two words']"


def test_an_empty_entry_of_the_path_which_is_the_current_folder_is_left_out(tmp_path, monkeypatch):
    (tmp_path / "this.py").write_text("raise SystemExit('this should not run')")
    monkeypatch.setattr(sys, "path", ["", *sys.path])
    subprocess.run(python_module("this"), cwd=tmp_path, capture_output=True, check=True)
