"""How a pull is shown while it goes on: a bar on a terminal, a line for each beginning and end elsewhere.

Knows names, words and numbers of bytes; refuses to know what is pulled and from where.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from rich import filesize
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)

from confspec_cli.render.console import is_dumb, put


def size(count: int) -> str:
    """A number of bytes for people: "1.1 GB"."""
    return filesize.decimal(count) if count else "?"


@contextmanager
def watching(stream: TextIO, env: Mapping[str, str], quiet: bool) -> Iterator[Lines | Bars]:
    """Something to tell of a pull, fit for the stream; `quiet` leaves all but warnings out."""
    if quiet or not stream.isatty() or is_dumb(env):
        yield Lines(stream, quiet)
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), DownloadColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        yield Bars(progress)


class Lines:
    """Tells of a pull in whole lines, none of which is ever redrawn."""

    def __init__(self, stream: TextIO, quiet: bool) -> None:
        self._stream = stream
        self._quiet = quiet

    def started(self, name: str, what: str, total: int) -> None:
        """Say what begins."""
        self.said(f"{name}: {what}, {size(total)}")

    def advanced(self, done: int) -> None:
        """Say nothing: a log has no use for it."""

    def finished(self, name: str, path: Path, fetched: bool) -> None:
        """Say where the file is."""
        self.said(_here(name, path, fetched))

    def warned(self, message: str) -> None:
        """Say so, even when quiet."""
        put(self._stream, f"warning: {message}\n")

    def said(self, line: str) -> None:
        """Pass on a line for people."""
        if not self._quiet:
            put(self._stream, line + "\n")


class Bars:
    """Tells of a pull by one bar at a time, which goes when its file is here; the lines above it stay."""

    def __init__(self, progress: Progress) -> None:
        self._progress = progress
        self._task: TaskID | None = None

    def started(self, name: str, what: str, total: int) -> None:
        """Draw a new bar."""
        self._clear()
        self.said(f"{name}: {what}")
        self._task = self._progress.add_task(what.split(maxsplit=1)[0], total=total or None)

    def advanced(self, done: int) -> None:
        """Move the bar."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)

    def finished(self, name: str, path: Path, fetched: bool) -> None:
        """Say where the file is, in place of the bar."""
        self._clear()
        self.said(_here(name, path, fetched))

    def warned(self, message: str) -> None:
        """Say so, in place of the bar."""
        self._clear()
        self.said(f"warning: {message}")

    def said(self, line: str) -> None:
        """Pass on a line for people, above the bar."""
        self._progress.console.print(line, markup=False, highlight=False, emoji=False, soft_wrap=True)

    def _clear(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def _here(name: str, path: Path, fetched: bool) -> str:
    return f"{name}: {'here' if fetched else 'already here'}, {path}"


@contextmanager
def loading(stream: TextIO, env: Mapping[str, str], what: str) -> Iterator[Callable[[float], None]]:
    """A bar for a model on its way into memory, told how far it is (0..1); nothing where no terminal shows it."""
    if not stream.isatty() or is_dumb(env):
        yield lambda _: None
        return
    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn())
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        task = progress.add_task(what, total=1.0)
        yield lambda fraction: progress.update(task, completed=fraction)
