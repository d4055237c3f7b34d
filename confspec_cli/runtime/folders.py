"""Where this user's files are: the folders of settings, of model files and of sessions.

Knows the environment it is handed and what the system says a user's folders are; creates nothing.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from pathlib import Path

import platformdirs

from confspec_cli.errors import ConfigError


def config_folder(env: Mapping[str, str]) -> Path:
    """The folder of the user's models.yaml: CONFSPEC_CONFIG_DIR, or where the system keeps settings."""
    return _folder(env, "CONFSPEC_CONFIG_DIR", lambda: platformdirs.user_config_path("confspec"))


def own_file(env: Mapping[str, str] = os.environ) -> Path:
    """The user's models.yaml."""
    return config_folder(env) / "models.yaml"


def models_folder(env: Mapping[str, str]) -> Path:
    """The folder model files are stored in: CONFSPEC_MODELS, or where the system keeps a user's data."""
    return _folder(env, "CONFSPEC_MODELS", lambda: platformdirs.user_data_path("confspec") / "models")


def sessions_folder(env: Mapping[str, str]) -> Path:
    """The folder sessions are saved in: CONFSPEC_SESSIONS, or where the system keeps a user's data."""
    return _folder(env, "CONFSPEC_SESSIONS", lambda: platformdirs.user_data_path("confspec") / "sessions")


def history_file(env: Mapping[str, str]) -> Path:
    """The file of what was typed in the REPL: CONFSPEC_HISTORY, or where the system keeps a user's state."""
    return _folder(env, "CONFSPEC_HISTORY", lambda: platformdirs.user_state_path("confspec") / "history")


def remote_hosts_file(env: Mapping[str, str]) -> Path:
    """The file of hosts the user was told about: in CONFSPEC_STATE, or where the system keeps a user's state."""
    return _folder(env, "CONFSPEC_STATE", lambda: platformdirs.user_state_path("confspec")) / "remote-hosts"


def loaded_folder(env: Mapping[str, str]) -> Path:
    """The folder of marks for files that llama.cpp is known to load: CONFSPEC_CACHE, or where the system caches."""
    return _folder(env, "CONFSPEC_CACHE", lambda: platformdirs.user_cache_path("confspec")) / "loaded"


def costs_folder(env: Mapping[str, str]) -> Path:
    """The folder of what tokens have cost on this machine: CONFSPEC_CACHE, or where the system caches."""
    return _folder(env, "CONFSPEC_CACHE", lambda: platformdirs.user_cache_path("confspec")) / "costs"


def _folder(env: Mapping[str, str], variable: str, usual: Callable[[], Path]) -> Path:
    """An absolute path; ConfigError for a user who has no home folder and names none."""
    if chosen := env.get(variable):
        return Path(os.path.abspath(os.path.expanduser(chosen)))  # noqa: PTH100, PTH111 - Path raises without a home
    try:
        folder = usual()
    except RuntimeError:
        folder = Path("~")
    if not folder.is_absolute():  # the home folder of nobody
        raise ConfigError("This user has no home folder.", f"export {variable}=/path/to/folder")
    return folder
