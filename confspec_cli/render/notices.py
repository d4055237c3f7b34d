"""What the chat prints between runs: messages, lists, errors; it also makes the views of the runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import TextIO

from rich.text import Text

from confspec_cli.core.conversation import Turn
from confspec_cli.core.trace import Step
from confspec_cli.errors import ConfspecError
from confspec_cli.render.collapsible import CollapsibleView
from confspec_cli.render.console import clean, is_dumb, make_console, paint, send
from confspec_cli.render.explain import listing, why
from confspec_cli.render.layout import Page, wrap
from confspec_cli.render.live_line import LiveLine, Reading, nothing_read
from confspec_cli.render.options import Show
from confspec_cli.render.symbols import marks_for
from confspec_cli.render.terminal import TerminalView
from confspec_cli.render.ticking import Ticking


class Notices:
    """Writes to one stream, with the colours and characters it supports."""

    def __init__(
        self, stream: TextIO, show: Show, env: Mapping[str, str], clock: Callable[[], float] = monotonic
    ) -> None:
        self._stream = stream
        self._console = make_console(stream, show.color, env)
        self._marks = marks_for(stream)
        self._clock = None if is_dumb(env) or not stream.isatty() else clock

    @property
    def dot(self) -> str:
        """The separator between the items of a line."""
        return self._marks.dot

    def view(
        self, show: Show, collapsed: bool, keys: Sequence[str] = (), reading: Reading = nothing_read
    ) -> Ticking[CollapsibleView]:
        """A view for the next run; `collapsed` hides its steps. `keys` are those that act during the run."""
        line = LiveLine(self._marks.dot, self._clock or monotonic, keys, reading)
        steps = TerminalView(self._console, self._marks, replace(show, is_chat=True), self._clock, line)
        view = CollapsibleView(steps, self._console, self._marks, collapsed, line if self._clock else None)
        return Ticking(view, line)

    def say(self, text: str, style: str = "dim") -> None:
        """Print a message."""
        self._put([Text(row, style) for row in wrap(clean(text), max(8, self._console.width - 1))])

    def items(self, items: Sequence[str]) -> None:
        """Print short items on one line, or on more when they do not fit."""
        self._put(self._page.line(items, self._marks.dot))

    def rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Print two columns, the second one wrapped."""
        left = max((len(name) for name, _ in rows), default=0) + 2
        room = max(20, self._console.width - 1 - left)
        for name, text in rows:
            first, *more = wrap(clean(text), room)
            self._put([Text.assemble((name.ljust(left), "bold"), first), *(Text(" " * left + row) for row in more)])

    def explain(self, error: ConfspecError) -> None:
        """Print an error and what to type next."""
        self.say(str(error), style="yellow")
        if error.hint:
            options = error.hint.startswith("--")
            self.say(f"  confspec chat {error.hint}" if options else f"  {error.hint}", style="dim")

    def why(self, step: Step, turn: Turn) -> None:
        """Print why a step of a turn ended up as it did."""
        self._put(why(step, len(turn.steps), turn.started.parameters, self._marks, self._page))

    def steps(self, steps: Sequence[Step]) -> None:
        """Print steps with each model's confidence."""
        self._put(listing(steps, self._marks, self._page))

    def turn(self, turn: Turn) -> None:
        """Print an earlier question and its reply."""
        self.say("\n".join(f"> {line}".rstrip() for line in turn.user.split("\n")), style="bold")
        self.say(turn.reply.strip("\n") or "(no reply)", style="")

    def raw(self, text: str) -> None:
        """Send this to the terminal unchanged."""
        send(self._stream, text)

    @property
    def _page(self) -> Page:
        return Page(self._console.width, self._marks.width)

    def _put(self, lines: Sequence[Text]) -> None:
        send(self._stream, paint(self._console, lines))
