"""Progress, notes and questions of the runtime, on a terminal or in plain lines."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import TextIO

from confspec_cli.render.console import put, width_of
from confspec_cli.render.layout import wrap
from confspec_cli.render.progress import Bars, Lines, loading, watching


class ConsoleReporter:
    """Tells a stream, stderr as a rule, and asks at the keyboard. `yes`: every question is answered with yes."""

    def __init__(self, stream: TextIO, env: Mapping[str, str], yes: bool = False) -> None:
        self._stream = stream
        self._env = env
        self._yes = yes

    def note(self, message: str) -> None:
        """A line of its own."""
        put(self._stream, f"{message}\n")

    def confirm(self, question: str, before: Sequence[str] = ()) -> bool | None:
        """Ask until the answer is yes or no; Enter alone is yes, and the end of the input no."""
        if self._yes:
            return True
        if not (sys.stdin and sys.stdin.isatty() and self._stream.isatty()):
            return None
        for line in before:
            put(self._stream, "\n".join(wrap(line, max(20, width_of(self._stream) - 1))) + "\n")
        while True:
            put(self._stream, f"{question} [Y/n]: ")
            answer = sys.stdin.readline()
            if not answer:
                return False
            if answer.strip().lower() in ("", "y", "yes", "n", "no"):
                return not answer.strip().lower().startswith("n")

    def pulling(self, total: int) -> AbstractContextManager[Lines | Bars]:
        """A bar for each file, or lines."""
        return watching(self._stream, self._env, False, total)

    def loading(self, what: str) -> AbstractContextManager[Callable[[float], None]]:
        """A bar, or nothing."""
        return loading(self._stream, self._env, what)
