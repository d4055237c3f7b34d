"""Progress of a batch on stderr: a bar in a terminal, otherwise a line for every twentieth of it.

The rate and the time left are those of this run, without earlier ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import monotonic
from typing import Protocol, TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, ProgressColumn, Task
from rich.text import Text

from confspec_cli.render.console import put, tell
from confspec_cli.render.wording import count, duration, money

_TWENTIETHS = 20


@dataclass(slots=True)
class Tally:
    """Records written so far, `earlier` of them by previous runs. `seconds` is the time since this run began.

    `costs` by currency are those of this run. `doing` tells in words what is being done, where several records are made
    at once.
    """

    total: int
    earlier: int = 0
    done: int = 0
    failed: int = 0
    seconds: float = 0.0
    costs: dict[str, float] = field(default_factory=dict)
    doing: Callable[[], str] = str

    def charge(self, costs: Mapping[str, float]) -> None:
        """Add what a record has cost."""
        for currency, cost in costs.items():
            self.costs[currency] = self.costs.get(currency, 0.0) + cost

    @property
    def figures(self) -> list[str]:
        """The rate, the time left and the number of failures, where there are any."""
        fresh = self.done - self.earlier
        items = []
        if fresh and self.seconds > 0:
            a_minute = 60 * fresh / self.seconds
            items.append(f"{a_minute:.0f}/min" if a_minute >= 10 else f"{a_minute:.1f}/min")
            if left := self.total - self.done:
                items.append(f"about {_about(self.seconds / fresh * left)} left")
        items += [f"{self.failed} failed"] if self.failed else []
        return [*items, *filter(None, [self.doing()])]


class BatchProgress(Protocol):
    """Is told about every record."""

    def counted(self, failed: bool) -> None:
        """One more record was written."""
        ...

    def warned(self, message: str) -> None:
        """Show a warning."""
        ...


@contextmanager
def counting(
    stream: TextIO, tally: Tally, quiet: bool, moves: bool, clock: Callable[[], float] = monotonic
) -> Iterator[BatchProgress]:
    """Show the progress of a batch, and a summary line at its end.

    `moves`: the stream is a terminal that can redraw a bar, and nothing else is written to it.
    """
    if quiet or not moves:
        yield _Lines(stream, tally, quiet, clock)
    else:
        columns = (BarColumn(), MofNCompleteColumn(), _Figures(tally))
        console = Console(file=stream)
        with Progress(*columns, console=console, transient=True, redirect_stdout=False, redirect_stderr=False) as bar:
            yield _Bar(bar, tally, clock)
    if not quiet:
        failed = f", {tally.failed} failed" if tally.failed else ""
        records = f"{tally.done} of {count(tally.total, 'record')}"
        is_whole = tally.done == tally.total
        said = (
            f"{records}{failed}, in {duration(tally.seconds)}"
            if is_whole
            else f"Interrupted: {records} written{failed}"
        )
        said += f", {money(tally.costs)}" if tally.costs else ""
        put(stream, f"{said}\n")


def _about(seconds: float) -> str:
    """A time that is no more than a guess."""
    return f"{seconds:.0f} s" if seconds < 100 else duration(seconds)


class _Counter:
    """Counts the records."""

    def __init__(self, tally: Tally, clock: Callable[[], float]) -> None:
        self._tally = tally
        self._clock = clock
        self._began = clock()

    def counted(self, failed: bool) -> None:
        """Count a record."""
        self._tally.done += 1
        self._tally.failed += failed
        self._tally.seconds = self._clock() - self._began


class _Lines(_Counter):
    """Progress in whole lines, never redrawn."""

    def __init__(self, stream: TextIO, tally: Tally, quiet: bool, clock: Callable[[], float]) -> None:
        super().__init__(tally, clock)
        self._stream = stream
        self._quiet = quiet

    def counted(self, failed: bool) -> None:
        """Count a record; print a line when another twentieth is done."""
        before = self._twentieths
        super().counted(failed)
        if self._twentieths > before and not self._quiet:
            tally = self._tally
            share = f"{tally.done} of {tally.total} ({100 * tally.done // tally.total}%)"
            put(self._stream, ", ".join([share, *tally.figures]) + "\n")

    def warned(self, message: str) -> None:
        """Print a warning, even when quiet."""
        put(self._stream, f"warning: {message}\n")

    @property
    def _twentieths(self) -> int:
        return _TWENTIETHS * self._tally.done // self._tally.total


class _Figures(ProgressColumn):
    """The figures of a tally, as they are now."""

    def __init__(self, tally: Tally) -> None:
        super().__init__()
        self._tally = tally

    def render(self, task: Task) -> Text:  # noqa: ARG002
        """The figures."""
        return Text(", ".join(self._tally.figures), no_wrap=True, overflow="ellipsis")


class _Bar(_Counter):
    """A progress bar, removed at the end."""

    def __init__(self, progress: Progress, tally: Tally, clock: Callable[[], float]) -> None:
        super().__init__(tally, clock)
        self._progress = progress
        self._task = progress.add_task("", total=tally.total, completed=tally.done)

    def counted(self, failed: bool) -> None:
        """Advance the bar."""
        super().counted(failed)
        self._progress.update(self._task, completed=self._tally.done)

    def warned(self, message: str) -> None:
        """Print a warning above the bar."""
        tell(self._progress.console, f"warning: {message}")
