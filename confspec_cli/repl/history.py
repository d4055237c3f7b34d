"""What was typed before, in a file that nobody else can read. What cannot be kept never stops a conversation."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

from prompt_toolkit.history import FileHistory

from confspec_cli.files import make_private_folder
from confspec_cli.repl.lines import is_private


class PrivateHistory(FileHistory):
    """Prompt history at `path`, mode 0600. `complain` is told, once, what stands in the way of keeping it."""

    def __init__(self, path: Path, complain: Callable[[str], None]) -> None:
        super().__init__(str(path))
        self._path = path
        self._complain: Callable[[str], None] | None = complain

    def append_string(self, string: str) -> None:
        """Remember a line, unless it begins with a space."""
        if not is_private(string):
            super().append_string(string)

    def load_history_strings(self) -> list[str]:
        """The lines of earlier days, the latest first."""
        if not self._path.is_file():  # a pipe would be waited for, and a device may have no end
            return []
        try:
            return list(super().load_history_strings())
        except OSError as problem:
            self._fail(problem)
            return []

    def store_string(self, string: str) -> None:
        """Keep a line."""
        try:
            make_private_folder(self._path.parent)
            os.close(os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_NONBLOCK, 0o600))
            if self._path.is_file():  # /dev/null belongs to everybody
                self._path.chmod(0o600)
            super().store_string(string)
        except OSError as problem:
            self._fail(problem)

    def _fail(self, problem: OSError) -> None:
        if self._complain:
            self._complain(f"What you type is not kept: {self._path}: {problem.strerror}.")
            self._complain = None
