"""The step view: each step beside a mark for its origin, and below them the step being written, live."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich.console import Console
from rich.text import Text

from confspec_cli.core.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepDropped,
    StepJudged,
    StepOpened,
    StepWritten,
    TextWritten,
    Warned,
)
from confspec_cli.core.gate import Decision
from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Author
from confspec_cli.render import wording
from confspec_cli.render.console import clean
from confspec_cli.render.layout import Page, body_of
from confspec_cli.render.options import Show
from confspec_cli.render.region import Region
from confspec_cli.render.symbols import Label, Marks

_SECONDS_BETWEEN_DRAWINGS = 1 / 15


@dataclass(slots=True)
class _Live:
    """The step being written or checked."""

    label: Label
    provisional: bool
    text: str = ""

    @property
    def style(self) -> str:
        return "dim" if self.provisional else ""


class TerminalView:
    """Shows a run in a terminal. Without a `clock`, nothing is live: each step is printed when it is committed."""

    def __init__(self, console: Console, marks: Marks, show: Show, clock: Callable[[], float] | None) -> None:
        self._console = console
        self._marks = marks
        self._show = show
        self._clock = clock
        self._region = Region(console)
        self._drawn_at = 0.0
        self._live: _Live | None = None
        self._kept = ""  # the beginning of a draft step that the target is finishing
        self._gap = True  # whether the last line printed is blank, or there is none
        self._judged: StepJudged | None = None
        self._started: RunStarted | None = None
        self._stats = RunStats()

    def handle(self, event: Event) -> None:
        """Show what an event changes."""
        self._stats.add(event)
        match event:
            case RunStarted():
                self._started, self._stats = event, RunStats()
                self._print([] if self._gap else [Text()])
            case StepOpened(author=author, provisional=provisional):
                self._live = _Live(self._marks.being_written(author, provisional), provisional, self._kept)
                self._kept = ""
                self._print([])
            case TextWritten(text=text):
                self._write(text)
            case StepWritten():
                if self._live and self._live.provisional:
                    self._relabel(self._marks.being_checked(Author.DRAFT))
            case StepJudged(decision=decision):
                self._judged = event
                if decision is Decision.ESCALATE:
                    self._relabel(self._marks.being_checked(Author.TARGET))
            case StepDropped():
                self._drop(event)
            case StepCommitted(step=step):
                figures = wording.confidence(step) if self._show.confidence else []
                self._print_step(self._marks.origin(step), step.text, figures)
            case Warned(message=message):
                self._print(self._page.line(["warning:", clean(message)], style="yellow"))
            case RunFinished():
                self._finish(event)

    @property
    def is_brief(self) -> bool:
        """Whether it shows only one line per step, so that the reply is still to be printed."""
        return self._show.brief

    def note(self, text: str) -> None:
        """Print a permanent line above the live step."""
        self._print(self._page.line([text]))

    def close(self) -> None:
        """Remove what is not final and restore the cursor."""
        self._live = None
        self._region.close()

    def _write(self, text: str) -> None:
        if self._live is None or self._clock is None:
            return
        self._live.text += clean(text)
        if self._clock() - self._drawn_at >= _SECONDS_BETWEEN_DRAWINGS:
            self._print([])

    def _relabel(self, label: Label) -> None:
        if self._live:
            self._live.label = label
            self._print([])

    def _drop(self, event: StepDropped) -> None:
        self._kept = clean(event.kept)
        if self._show.rejected:
            reasons = [wording.rejection(event, self._judged)] if self._show.confidence else []
            self._print_step(self._marks.dropped, event.written_step.text, reasons, "dim strike")
        else:
            self._live = None
            self._print([])

    def _finish(self, event: RunFinished) -> None:
        self._live = None
        if event.partial:
            self._print_step(self._marks.cut_off, event.partial, [])
        page = self._page
        lines = [] if self._gap else [Text()]
        if sentence := wording.ending(event, self._started):
            lines += page.line([sentence], style="yellow")
        if event.answer and "\n" not in event.answer:
            lines += [*page.line(["Answer:", clean(event.answer)], style="bold"), Text()]
        lines += page.line(wording.summary(self._stats), self._marks.dot)
        if self._show.stats:
            lines += [Text(), *(line for text in wording.breakdown(self._stats) for line in page.line([text]))]
        self._print(lines)
        self._region.close()

    @property
    def _page(self) -> Page:
        return Page(self._console.width, self._marks.width)

    def _print_step(self, label: Label, text: str, figures: list[list[str]], style: str = "") -> None:
        """Print a step permanently; an empty one leaves at most a blank line."""
        self._live = None
        page, body = self._page, body_of(text)
        if self._show.brief:
            self._print([page.brief(label, body.text, self._marks.ellipsis, style)] if body.text else [])
            return
        lines = [Text()] if body.gap_before and not self._gap else []
        if body.text:
            lines += page.step(label, body.text, style)
            lines += [line for row in figures for line in page.note(row, self._marks.dot)]
            lines += [Text()] if body.gap_after else []
        self._print(lines)

    def _print(self, lines: list[Text]) -> None:
        """Print permanent lines and redraw the live step below them."""
        if lines:
            self._gap = not lines[-1].plain
        self._region.update(lines, self._live_lines())
        self._drawn_at = self._clock() if self._clock else 0.0

    def _live_lines(self) -> list[Text]:
        """The live step, or the end of a long one: at most a third of the window, so a narrower one fits it too."""
        if self._live is None or self._clock is None:
            return []
        text = body_of(self._live.text).text
        if self._show.brief:
            return [self._page.brief(self._live.label, text, self._marks.ellipsis, self._live.style)]
        lines = self._page.step(self._live.label, text, self._live.style)
        room = max(3, self._console.height // 3)
        if len(lines) <= room:
            return lines
        hidden = f"{self._marks.ellipsis} {wording.count(len(lines) - room + 1, 'line')} above"
        return [*self._page.step(self._live.label, hidden, "dim"), *lines[1 - room :]]
