"""Files that end llama.cpp end a child process, and are a sentence."""

import subprocess
import sys
import time

import pytest
from support.tiny_gguf import damage, write

from confspec_cli.app import main
from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp import trial_load as module
from confspec_cli.engines.llamacpp.trial_load import trial_load
from confspec_cli.errors import EngineError, Exit, Interrupted
from confspec_cli.models import gguf

MISLABELLED = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": None}


@pytest.fixture
def hostile(tmp_path):
    """A model whose header is sound, and which aborts llama.cpp."""
    path = write(tmp_path / "hostile.gguf", metadata=MISLABELLED)
    gguf.check(gguf.read(path))
    return path


def test_a_file_that_aborts_llama_cpp_is_refused_in_words_each_time(hostile, tmp_path):
    for _ in range(2):
        with pytest.raises(EngineError, match=r"hostile\.gguf crashes llama\.cpp \("):
            trial_load(hostile, tmp_path / "marks", Interrupt())


def test_ask_says_so_and_lives(hostile, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert (
        main(["ask", "--no-log", "-q", "--mode", "target", "-n", "4", "Hi", "--target", str(hostile)]) == Exit.FAILURE
    )
    assert "hostile.gguf crashes llama.cpp (" in capsys.readouterr().err


def test_a_model_of_the_users_own_is_tried_though_its_file_is_pinned(hostile, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "stdin", None)
    for name in ("CONFIG_DIR", "MODELS"):
        monkeypatch.setenv(f"CONFSPEC_{name}", str(tmp_path / name))
    assert main(["models", "add", "mine", str(hostile)]) == Exit.OK
    assert main(["ask", "--no-log", "-q", "--mode", "target", "-n", "4", "Hi", "--target", "mine"]) == Exit.FAILURE
    assert "hostile.gguf crashes llama.cpp (" in capsys.readouterr().err


def test_a_file_that_loaded_once_is_not_tried_again_until_it_changes(tmp_path, monkeypatch):
    path, marks = write(tmp_path / "model.gguf"), tmp_path / "marks"
    trial_load(path, marks, Interrupt())
    assert len(list(marks.iterdir())) == 1
    with monkeypatch.context() as patched:
        patched.setattr(subprocess, "Popen", None)
        trial_load(path, marks, Interrupt())
    write(path, metadata=MISLABELLED)
    with pytest.raises(EngineError):
        trial_load(path, marks, Interrupt())


def test_what_is_wrong_without_a_crash_is_left_for_the_real_load_to_say(tmp_path):
    path = damage(write(tmp_path / "whole.gguf"), "truncated")
    trial_load(path, tmp_path / "marks", Interrupt())
    assert not (tmp_path / "marks").exists()


@pytest.mark.parametrize("code", ["raise SystemExit(1)", "import os; os.kill(os.getpid(), 9)"])
def test_a_child_that_fails_or_is_killed_is_no_crash(tmp_path, monkeypatch, code):
    monkeypatch.setattr(module, "python_module", lambda *_: [sys.executable, "-c", code])
    trial_load(write(tmp_path / "model.gguf"), tmp_path / "marks", Interrupt())
    assert not (tmp_path / "marks").exists()


def test_a_mark_that_cannot_be_written_does_not_matter(tmp_path):
    (tmp_path / "marks").write_text("a file is in the way")
    trial_load(write(tmp_path / "model.gguf"), tmp_path / "marks" / "deeper", Interrupt())


def test_a_stop_ends_the_child(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "python_module", lambda *_: [sys.executable, "-c", "import time; time.sleep(60)"])
    interrupt, began = Interrupt(), time.monotonic()
    interrupt.set()
    with pytest.raises(Interrupted):
        trial_load(write(tmp_path / "model.gguf"), tmp_path / "marks", interrupt)
    assert time.monotonic() - began < 30
