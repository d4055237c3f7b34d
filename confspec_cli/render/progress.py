"""Progress of downloads and file checks: a bar in a terminal, otherwise a line at the start and end of each file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from threading import Lock
from time import monotonic
from typing import TextIO

from rich.cells import cell_len, chop_cells
from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)
from rich.text import Text

from confspec_cli.core.units import size
from confspec_cli.render.console import clean, is_dumb, make_console, put, tell
from confspec_cli.render.options import Color
from confspec_cli.render.region import Region
from confspec_cli.render.symbols import marks_for
from confspec_cli.render.wording import duration


@contextmanager
def watching(
    stream: TextIO, env: Mapping[str, str], quiet: bool, total: int = 0, clock: Callable[[], float] = monotonic
) -> Iterator[Lines | Bars]:
    """Something to tell of a pull, fit for the stream; `quiet` leaves all but warnings out.

    `total` are the bytes to be downloaded for all files together.
    """
    if quiet or not stream.isatty() or is_dumb(env):
        yield Lines(stream, quiet, total, clock)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(file=stream), transient=True) as progress:
        yield Bars(progress, total)


class Lines:
    """Tells of a pull in whole lines, none of which is ever redrawn: one for each twentieth of what is downloaded."""

    def __init__(self, stream: TextIO, quiet: bool, whole: int = 0, clock: Callable[[], float] = monotonic) -> None:
        self._stream = stream
        self._quiet = quiet
        self._whole = whole
        self._earlier = self._new = 0  # bytes downloaded of the files before, and of this one
        self._clock = clock
        self._name, self._total, self._told = "", 0, 0
        self._first: tuple[int, float] | None = None  # bytes and time where this pull began

    def started(self, name: str, what: str, total: int) -> None:
        """Say what begins."""
        self.said(f"{name}: {what}, {size(total)}")
        self._earlier, self._new = self._earlier + self._new, 0
        self._name, self._total, self._told, self._first = name, total if "downloading" in what else 0, 0, None

    def advanced(self, done: int) -> None:
        """Say so when another twentieth is here, with the rate and the time left."""
        now = self._clock()
        if self._first is None:
            self._first = done, now
            self._told = 20 * done // self._total if self._total else 0
            return
        self._new = done - self._first[0] if self._total else 0
        if not self._total or done >= self._total or 20 * done // self._total <= self._told:
            return
        self._told = 20 * done // self._total
        rate = self._new / max(now - self._first[1], 1e-9)
        left = duration((self._total - done) / rate) if rate > 0 else "?"
        share = 100 * (self._earlier + self._new) // self._whole if self._whole > self._total else 0
        of_all = f"; {share}% of all" if share else ""
        self.said(f"{self._name}: {5 * self._told}%, {size(done)}, {size(int(rate))}/s, {left} left{of_all}")

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
    """Tells of a pull by a bar for its file, which goes when that is here, and one for all that is to be downloaded."""

    def __init__(self, progress: Progress, total: int = 0) -> None:
        self._progress = progress
        self._task: TaskID | None = None
        self._whole = progress.add_task("in all", total=total) if total else None
        self._is_downloading = False
        self._last: int | None = None  # bytes of the file being downloaded, as last told

    def started(self, name: str, what: str, total: int) -> None:
        """Draw a new bar."""
        self._clear()
        self.said(f"{name}: {what}")
        self._task = self._progress.add_task(clean(what).split(maxsplit=1)[0], total=total or None)
        self._is_downloading, self._last = "downloading" in what, None

    def advanced(self, done: int) -> None:
        """Move the bars."""
        if self._task is not None:
            self._progress.update(self._task, completed=done)
        if self._whole is not None and self._is_downloading:
            if self._last is not None:
                self._progress.advance(self._whole, done - self._last)
            self._last = done

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
        tell(self._progress.console, line)

    def _clear(self) -> None:
        if self._task is not None:
            self._progress.remove_task(self._task)
            self._task = None


def _here(name: str, path: Path, fetched: bool) -> str:
    return f"{name}: {'downloaded' if fetched else 'already downloaded'}, {path}"


@contextmanager
def loading(stream: TextIO, env: Mapping[str, str], what: str) -> Iterator[Callable[[float], None]]:
    """A line about models on their way into memory, told how far they are (0..1), from any thread.

    It fits the window, and is gone at the end; nothing where no terminal shows it.
    """
    if not stream.isatty() or is_dumb(env):
        yield lambda _: None
        return
    console = make_console(stream, Color.AUTO, env)
    region, lock, ellipsis = Region(console), Lock(), marks_for(stream).ellipsis

    def show(fraction: float) -> None:
        percent = f" {min(100, int(100 * fraction))}%"
        with lock:
            region.update([], [Text(_cut(clean(what), console.width - 1 - len(percent), ellipsis) + percent, "dim")])

    try:
        show(0.0)
        yield show
    finally:
        with lock:
            region.close()


def _cut(text: str, width: int, ellipsis: str) -> str:
    """As much of the text as fits."""
    if cell_len(text) <= width:
        return text
    return chop_cells(text, max(1, width - cell_len(ellipsis)))[0] + ellipsis
