"""Whom the runtime tells how it goes, and whom it asks: a terminal, a log, or nobody."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Protocol

from confspec_cli.models.sources import PullProgress


class Reporter(Protocol):
    """Shows what takes time, passes on notes, and asks before anything large is downloaded."""

    def note(self, message: str) -> None:
        """Something a person should know, with its kind before it: `warning: ...`."""
        ...

    def confirm(self, question: str, before: Sequence[str] = ()) -> bool | None:
        """The answer to a yes-or-no question, with what is to be known `before`; None where nobody can be asked."""
        ...

    def pulling(self, total: int) -> AbstractContextManager[PullProgress]:
        """Shows a download of so many bytes."""
        ...

    def loading(self, what: str) -> AbstractContextManager[Callable[[float], None]]:
        """Shows models on their way into memory; called with the share that is loaded, 0..1."""
        ...


class Silent:
    """Tells nobody. `pulls`: what is missing is downloaded; otherwise it is an error."""

    def __init__(self, pulls: bool = False) -> None:
        self._pulls = pulls

    def note(self, message: str) -> None:
        """Nothing is shown."""

    def confirm(self, question: str, before: Sequence[str] = ()) -> bool | None:
        """What was said when this was made."""
        del question, before
        return self._pulls or None

    @contextmanager
    def pulling(self, total: int) -> Iterator[PullProgress]:
        """Nothing is shown."""
        del total
        yield _Unwatched()

    @contextmanager
    def loading(self, what: str) -> Iterator[Callable[[float], None]]:
        """Nothing is shown."""
        del what
        yield lambda _: None


class _Unwatched:
    def started(self, name: str, what: str, total: int) -> None:
        """Nothing is shown."""

    def advanced(self, done: int) -> None:
        """Nothing is shown."""

    def finished(self, name: str, path: Path, fetched: bool) -> None:
        """Nothing is shown."""

    def warned(self, message: str) -> None:
        """Nothing is shown."""


SILENT = Silent()
