"""What the REPL itself says on a terminal, between the runs: sentences, lists, errors; and the views of runs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import TextIO

from rich.text import Text

from confspec_cli.core.conversation import Turn
from confspec_cli.core.trace import Step
from confspec_cli.errors import ConfspecError
from confspec_cli.render.collapsible import CollapsibleView
from confspec_cli.render.console import clean, is_dumb, make_console, paint, send
from confspec_cli.render.explain import account, listing
from confspec_cli.render.layout import Page, wrap
from confspec_cli.render.options import Show
from confspec_cli.render.symbols import marks_for
from confspec_cli.render.terminal import TerminalView


class Notices:
    """Writes on one stream, in the colours and characters it can carry."""

    def __init__(
        self, stream: TextIO, show: Show, env: Mapping[str, str], clock: Callable[[], float] = monotonic
    ) -> None:
        self._stream = stream
        self._console = make_console(stream, show.color, env)
        self._marks = marks_for(stream)
        self._clock = None if is_dumb(env) or not stream.isatty() else clock

    @property
    def dot(self) -> str:
        """What joins the items of a line."""
        return self._marks.dot

    def view(self, show: Show, drawn: bool) -> CollapsibleView:
        """A view of the next run; `drawn`: with its steps hidden."""
        view = TerminalView(self._console, self._marks, show, self._clock)
        return CollapsibleView(view, self._console, self._marks, drawn, moves=self._clock is not None)

    def say(self, text: str, style: str = "dim") -> None:
        """Say something, in as many lines as it has."""
        self._put([Text(row, style) for row in wrap(clean(text), max(8, self._console.width - 1))])

    def items(self, items: Sequence[str]) -> None:
        """Say several short things in a line, or more where they do not fit."""
        self._put(self._page.line(items, self._marks.dot))

    def rows(self, rows: Sequence[tuple[str, str]]) -> None:
        """Two columns, the second wrapped in its own."""
        left = max((len(name) for name, _ in rows), default=0) + 2
        room = max(20, self._console.width - 1 - left)
        for name, text in rows:
            first, *more = wrap(clean(text), room)
            self._put([Text.assemble((name.ljust(left), "bold"), first), *(Text(" " * left + row) for row in more)])

    def explain(self, error: ConfspecError) -> None:
        """Say what went wrong and what to type."""
        self.say(str(error), style="yellow")
        if error.hint:
            self.say(f"  {error.hint}", style="dim")

    def account(self, step: Step, of: int) -> None:
        """Say how a step was decided."""
        self._put(account(step, of, self._marks, self._page))

    def steps(self, steps: Sequence[Step]) -> None:
        """Show steps again, with their figures."""
        self._put(listing(steps, self._marks, self._page))

    def turn(self, turn: Turn) -> None:
        """Show what was said before: the question and its reply."""
        self.say("\n".join(f"> {line}".rstrip() for line in turn.user.split("\n")), style="bold")
        self.say(turn.reply.strip("\n") or "(nothing was said)", style="")

    def raw(self, text: str) -> None:
        """Send the terminal exactly this."""
        send(self._stream, text)

    @property
    def _page(self) -> Page:
        return Page(self._console.width, self._marks.width)

    def _put(self, lines: Sequence[Text]) -> None:
        send(self._stream, paint(self._console, lines))
