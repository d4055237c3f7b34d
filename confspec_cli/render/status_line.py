"""Beside a reply that goes into a pipe: one line on the terminal that moves while the run lasts, and then is gone.

The pipe may end on the same terminal, as with `| cat`. So the line is taken away before a step is written to it, waits
until that has been shown, and never stands on a line that the reply has begun.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.console import Console
from rich.text import Text

from confspec_cli.core.events import Event, RunFinished, StepCommitted, TextWritten
from confspec_cli.render.live_line import LiveLine
from confspec_cli.render.options import Show
from confspec_cli.render.plain import PlainLines
from confspec_cli.render.region import Region
from confspec_cli.render.symbols import Marks

_SECONDS_FOR_THE_READER = 0.3


class StatusLine(PlainLines):
    """The line, and above it what was asked for or must be known. `streams`: steps go to the pipe as they are final."""

    def __init__(
        self,
        console: Console,
        marks: Marks,
        show: Show,
        line: LiveLine,
        clock: Callable[[], float],
        streams: bool,
    ) -> None:
        super().__init__(console, marks, show)
        self._line = line
        self._clock = clock
        self._streams = streams
        self._region = Region(console)
        self._hidden_until = 0.0
        self._is_within_line = False

    def handle(self, event: Event) -> None:
        """Print what this event calls for, and draw the line below it."""
        if isinstance(event, StepCommitted | RunFinished) and self._streams:
            self._region.close()
            self._hidden_until = self._clock() + _SECONDS_FOR_THE_READER
        super().handle(event)
        if isinstance(event, StepCommitted) and event.step.text and self._streams:
            self._is_within_line = not event.step.text.endswith("\n")
        if not isinstance(event, TextWritten):
            self.redraw()

    def redraw(self) -> None:
        """Draw the line again."""
        self._write([])

    def pause(self) -> None:
        """Take the line away, until it is drawn again."""
        self._region.close()

    def close(self) -> None:
        """Take the line away."""
        self._region.close()

    def _write(self, lines: Sequence[Text]) -> None:
        is_hidden = self._is_within_line or self._clock() < self._hidden_until
        live = [] if is_hidden else self._line.draw(self._console.width)
        if live or lines:
            self._region.update(lines, live)
        else:
            self._region.close()
