"""Editing a file of ours in the user's editor: what could not be read again is never kept."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import typer

from confspec_cli.errors import ConfigError, UsageError
from confspec_cli.files import read_text
from confspec_cli.render.console import put


def edited(text: str, check: Callable[[str], object]) -> str | None:
    """The text as it was edited; None where nothing was changed. `check` raises ConfigError for what is wrong.

    In a terminal the user may mend that; elsewhere ConfigError is raised.
    """
    while (new := _in_editor(text)) != text:
        try:
            check(new)
        except ConfigError as problem:
            if not (sys.stdin.isatty() and sys.stderr.isatty()):
                raise
            put(sys.stderr, f"{problem}\n")
            if not typer.confirm("Edit again? Otherwise nothing is changed.", default=True, err=True):
                return None
            text = new
        else:
            return new
    return None


def _in_editor(text: str) -> str:
    """What a person made of the text, in a file of its own. Raises UsageError where the editor fails."""
    command = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="confspec-") as folder:
        file = Path(folder) / "edit.yaml"
        file.write_text(text, encoding="utf-8")
        try:
            code = subprocess.run([*command, str(file)], check=False).returncode
        except OSError as problem:
            raise UsageError(f"{command[0]} cannot be started: {problem.strerror}.", "export EDITOR=nano") from problem
        if code:
            raise UsageError(f"{command[0]} exited with code {code}; nothing was changed.", "export EDITOR=nano")
        return read_text(file)
