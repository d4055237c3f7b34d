"""A step view that can be collapsed and expanded at any moment, even in the middle of a step.

While collapsed, it shows only the line about the run, and at the end the whole reply. Expanding it shows the
steps that were hidden.
"""

from __future__ import annotations

from rich.console import Console
from rich.text import Text

from confspec_cli.core.events import Event, RunFinished, RunStarted, StepOpened, TextWritten, Warned
from confspec_cli.render import wording
from confspec_cli.render.closing import Closing
from confspec_cli.render.console import clean
from confspec_cli.render.layout import Page, wrap
from confspec_cli.render.live_line import LiveLine
from confspec_cli.render.region import Region
from confspec_cli.render.symbols import Marks
from confspec_cli.render.terminal import TerminalView


class CollapsibleView:
    """Wraps a step view. `collapsed`: steps are hidden, and `line` is drawn where the terminal can redraw one."""

    def __init__(
        self, view: TerminalView, console: Console, marks: Marks, collapsed: bool, line: LiveLine | None
    ) -> None:
        self.collapsed = collapsed
        self._view = view
        self._console = console
        self._marks = marks
        self._line = line
        self._region = Region(console)
        self._missed: list[Event] = []
        self._live: list[Event] = []  # what the view needs to redraw the step being written
        self._started: RunStarted | None = None
        self._closing = Closing(marks, bool(console.color_system))

    def handle(self, event: Event) -> None:
        """Show an event, or keep it until the view is expanded."""
        self._closing.add(event)
        if isinstance(event, RunStarted):
            self._started = event
        elif isinstance(event, StepOpened):
            self._live = [event]
        elif isinstance(event, TextWritten):
            self._live.append(event)
        if not self.collapsed:
            if isinstance(event, RunFinished) and self._view.is_brief:
                self._view.close()
                self._region.update([Text(), *self._reply(event)], [])
            self._view.handle(event)
        elif isinstance(event, RunFinished):
            self._finish(event)
        else:
            self._missed.append(event)
            if isinstance(event, Warned):
                self._region.update(self._page.line([f"warning: {clean(event.message)}"], style="yellow"), [])
            self.redraw()

    def toggle(self) -> None:
        """Collapse or expand the view."""
        self.collapsed = not self.collapsed
        if self.collapsed:
            self._view.close()
            self._missed = list(self._live)
            self.redraw()
            return
        self._region.close()
        missed, self._missed = self._missed, []
        for event in missed:
            self._view.handle(event)

    def note(self, text: str) -> None:
        """Print a permanent line above the live part."""
        if self.collapsed:
            self._region.update(self._page.line([text]), [])
            self.redraw()
        else:
            self._view.note(text)

    def pause(self) -> None:
        """Take the live part off the screen and restore the cursor, until it is drawn again."""
        self._region.close()
        self._view.pause()

    def redraw(self) -> None:
        """Draw what is live again."""
        if not self.collapsed:
            self._view.redraw()
        elif self._line and (live := self._line.draw(self._console.width)):
            self._region.update([], live)

    def close(self) -> None:
        """Remove the live part and restore the cursor."""
        self._region.close()
        self._view.close()

    @property
    def _page(self) -> Page:
        return Page(self._console.width, self._marks.width)

    def _reply(self, event: RunFinished) -> list[Text]:
        """The whole reply and a blank line."""
        if not (said := clean(event.reply).strip("\n")):
            return []
        return [*map(Text, wrap(said, max(8, self._console.width - 1))), Text()]

    def _finish(self, event: RunFinished) -> None:
        self._missed = []
        lines = self._reply(event)
        if sentence := wording.ending(event, self._started, self._closing.step, is_chat=True):
            lines += self._page.line([sentence], style="yellow")
        lines += self._closing.lines(self._page, with_stats=False)
        self._region.update(lines, [])
        self._region.close()
