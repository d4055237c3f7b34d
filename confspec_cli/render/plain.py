"""Progress for streams that cannot redraw, such as log files: at most one short line per step."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from confspec_cli.core.events import (
    Event,
    GateChosen,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepDropped,
    StepJudged,
    Warned,
)
from confspec_cli.core.stats import RunStats
from confspec_cli.render import wording
from confspec_cli.render.console import clean, paint, send, width_of
from confspec_cli.render.layout import wrap
from confspec_cli.render.options import Show
from confspec_cli.render.symbols import Label, Marks


class PlainLines:
    """One line per step; when quiet, only warnings, an early end and requested statistics."""

    def __init__(self, console: Console, marks: Marks, show: Show) -> None:
        self._console = console
        self._marks = marks
        self._show = show
        self._judged: StepJudged | None = None
        self._started: RunStarted | None = None
        self._stats = RunStats()

    def handle(self, event: Event) -> None:
        """Print a line for the event, if it needs one."""
        self._stats.add(event)
        match event:
            case RunStarted():
                self._started, self._stats = event, RunStats()
            case StepCommitted(step=step) if step.text.strip() and not self._show.quiet:
                rows = (
                    wording.confidence(step) if self._show.confidence else [[wording.cost(step.tokens, step.seconds)]]
                )
                self._print_step(step.n, self._marks.origin(step), [item for row in rows for item in row])
            case StepJudged():
                self._judged = event
            case StepDropped() if self._show.rejected and not self._show.quiet:
                self._print_step(
                    event.n, self._marks.dropped, wording.rejection(event, [self._judged] if self._judged else [])
                )
            case GateChosen() if not self._show.quiet:
                self._print(wording.choice(event))
            case Warned(message=message):
                self._print(f"warning: {message}")
            case RunFinished():
                self._finish(event)

    def close(self) -> None:
        """Nothing to tidy up."""

    def _finish(self, event: RunFinished) -> None:
        if sentence := wording.ending(event, self._started, sum(self._stats.steps.values()) + 1):
            self._print(sentence)
        if sum(self._stats.steps.values()) and (not self._show.quiet or self._show.stats):
            self._print(self._marks.dot.join(wording.summary(self._stats)))
        for line in wording.breakdown(self._stats) if self._show.stats else []:
            self._print(line)

    def _print_step(self, n: int, label: Label, figures: list[str]) -> None:
        line = Text.assemble(f"{n:>3} ", (label.text, label.style), self._marks.dot, self._marks.dot.join(figures))
        self._write([line])

    def _print(self, line: str) -> None:
        width = width_of(self._console.file)
        self._write([Text(row) for row in (wrap(clean(line), max(20, width - 1)) if width else [clean(line)])])

    def _write(self, lines: Sequence[Text]) -> None:
        send(self._console.file, paint(self._console, lines))
