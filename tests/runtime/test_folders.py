"""Where a user's files are."""

import os
import subprocess
import sys
from pathlib import Path

import platformdirs
import pytest

from confspec_cli.errors import ConfigError
from confspec_cli.runtime.folders import config_folder, history_file, models_folder, sessions_folder


def test_the_environment_has_the_first_word():
    assert config_folder({"CONFSPEC_CONFIG_DIR": "/a/b"}) == Path("/a/b")
    assert models_folder({"CONFSPEC_MODELS": "/a/../c"}) == Path("/c")


def test_a_tilde_and_a_relative_folder_become_absolute(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", "/home/me")
    monkeypatch.chdir(tmp_path)
    assert models_folder({"CONFSPEC_MODELS": "~/gguf"}) == Path("/home/me/gguf")
    assert models_folder({"CONFSPEC_MODELS": "gguf"}) == tmp_path / "gguf"


def test_otherwise_the_system_says_where():
    assert config_folder({}) == platformdirs.user_config_path("confspec")
    assert models_folder({"CONFSPEC_MODELS": ""}) == platformdirs.user_data_path("confspec") / "models"
    assert history_file({}) == platformdirs.user_state_path("confspec") / "history"


def test_no_home_variable_is_needed():
    code = (
        "from confspec_cli.runtime.folders import *; "
        "assert models_folder({}).is_absolute() and config_folder({}).is_absolute()"
    )
    env = {key: value for key, value in os.environ.items() if key != "HOME"}
    subprocess.run([sys.executable, "-c", code], env=env, check=True)


@pytest.mark.parametrize("answer", [Path("~/.config/confspec"), RuntimeError("no home")])
def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch, answer):
    def folder(name):
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(platformdirs, "user_config_path", folder)
    with pytest.raises(ConfigError, match="no home folder") as caught:
        config_folder({})
    assert "CONFSPEC_CONFIG_DIR" in caught.value.hint
    assert config_folder({"CONFSPEC_CONFIG_DIR": "/a"}) == Path("/a")


def test_sessions_lie_beside_the_models_unless_told_otherwise():
    assert sessions_folder({"CONFSPEC_SESSIONS": "/a"}) == Path("/a")
    assert sessions_folder({}) == platformdirs.user_data_path("confspec") / "sessions"
