"""The step view: each step beside a mark for its origin, and below them the step being written, live."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

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
    StepOpened,
    StepWritten,
    TextWritten,
    Warned,
)
from confspec_cli.core.gate import Decision
from confspec_cli.core.trace import Author, Step
from confspec_cli.render import wording
from confspec_cli.render.closing import Closing
from confspec_cli.render.console import can_carry, clean
from confspec_cli.render.drawing import draw
from confspec_cli.render.header import header
from confspec_cli.render.layout import Page, Styles, body_of
from confspec_cli.render.live_line import LiveLine
from confspec_cli.render.options import Show
from confspec_cli.render.region import Region
from confspec_cli.render.symbols import Label, Marks

_SECONDS_BETWEEN_DRAWINGS = 1 / 15
_KEPT, _FINISHED = "yellow", "magenta"  # the draft's and the target's part of a salvaged step
_REJECTED = "dim strike"


@dataclass(slots=True)
class _Live:
    """The step being written or checked."""

    label: Label
    style: str
    text: str = ""
    kept: str = ""  # the beginning of a draft step that the target is finishing

    @property
    def pieces(self) -> list[tuple[str, str]]:
        """The text in its colours."""
        return [(self.kept, _KEPT), (self.text, _FINISHED)] if self.kept else [(self.text, self.style)]


class TerminalView:
    """Shows a run in a terminal. Without a `clock`, nothing is live: each step is printed when it is committed.

    `line`, which somebody else keeps up to date, is drawn below the step being written.
    """

    def __init__(
        self,
        console: Console,
        marks: Marks,
        show: Show,
        clock: Callable[[], float] | None,
        line: LiveLine | None = None,
    ) -> None:
        self._console = console
        self._marks = marks
        self._show = show
        self._clock = clock
        self._line = line
        self._region = Region(console)
        self._drawn_at = 0.0
        self._live: _Live | None = None
        self._salvaging: StepDropped | None = None  # of the step that the target is finishing
        self._gap = True  # whether the last line printed is blank, or there is none
        self._draws = bool(console.color_system) and can_carry(console.file, "×√")
        self._code: str | None = None  # the language of code that goes on from one step into the next
        self._judged: list[StepJudged] = []  # of the step being decided
        self._started: RunStarted | None = None
        self._closing = Closing(marks, bool(console.color_system))

    def handle(self, event: Event) -> None:
        """Show what an event changes."""
        self._closing.add(event)
        match event:
            case RunStarted():
                self._started, self._judged, self._salvaging, self._code = event, [], None, None
                above = self._page.line(header(event), self._marks.dot) if self._show.header else []
                self._print([*([] if self._gap else [Text()]), *above])
                self._gap = True
            case StepOpened(n=n, author=author, provisional=provisional):
                kept = clean(self._salvaging.kept) if self._salvaging and not provisional else ""
                label = self._marks.being_written(author, provisional).numbered(n)
                self._live = _Live(label, "dim" if provisional else "", kept=kept)
                self._print([])
            case TextWritten(text=text):
                self._write(text)
            case StepWritten(n=n):
                if self._live and self._live.style:
                    self._relabel(self._marks.being_checked(Author.DRAFT).numbered(n))
            case StepJudged(n=n, decision=decision):
                self._judged.append(event)
                if decision is Decision.ESCALATE:
                    self._relabel(self._marks.being_checked(Author.TARGET).numbered(n))
            case StepDropped():
                self._drop(event)
            case StepCommitted(step=step):
                self._commit(step)
            case Warned() | GateChosen():
                self._tell(event)
            case RunFinished():
                self._finish(event)

    def _tell(self, event: Warned | GateChosen) -> None:
        if isinstance(event, Warned):
            self._print(self._page.line([f"warning: {clean(event.message)}"], style="yellow"))
        elif not self._show.quiet:
            self._print(self._page.line([wording.choice(event)], style="dim"))

    @property
    def is_brief(self) -> bool:
        """Whether it shows only one line per step, so that the reply is still to be printed."""
        return self._show.brief

    def note(self, text: str) -> None:
        """Print a permanent line above the live step."""
        self._print(self._page.line([text]))

    def make_way(self) -> None:
        """Take the live part off the screen, and leave a blank line below which something else is written."""
        self._live = None
        self._print([] if self._gap else [Text()])
        self._region.close()
        self._gap = False

    def pause(self) -> None:
        """Take the live part off the screen and restore the cursor, until it is drawn again."""
        self._region.close()

    def redraw(self) -> None:
        """Draw what is live again."""
        self._print([])

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
        self._live = None
        self._salvaging = event if event.kept else None
        if event.kept and not self._show.rejected:  # what the models think of it stands beside the step made of it
            self._print([])
            return
        label, reason = self._marks.dropped.numbered(None), wording.rejection(event, self._judged)
        rejected = event.written_step.text[len(event.kept) :]
        if self._show.rejected and rejected.strip():
            begin = f"{self._marks.ellipsis} " if event.kept else ""
            self._print_step(label, begin + (rejected.lstrip(" ") if begin else rejected), _REJECTED, reason)
        elif self._show.rejected or self._figure:
            said = self._marks.dot.join(reason)
            self._print(self._page.step(label, said, "dim", self._figure))
        else:
            self._print([])
        self._judged = []

    def _commit(self, step: Step) -> None:
        pieces = [(step.kept, _KEPT), (step.text[len(step.kept) :], _FINISHED)] if step.kept else ""
        self._print_step(self._marks.origin(step).numbered(step.n), step.text, pieces)
        self._judged, self._salvaging = [], None

    @property
    def _figure(self) -> str:
        """What each model's confidence in the step was, as far as the gate looked at it."""
        if not self._show.confidence:
            return ""
        figures = ("?" if one.confidence is None else f"{one.confidence:.2f}" for one in self._judged)
        return self._marks.arrow.join(figures)

    def _finish(self, event: RunFinished) -> None:
        self._live = None
        if event.partial:
            self._print_step(self._marks.cut_off.numbered(None), event.partial)
        page = self._page
        lines = [] if self._gap else [Text()]
        if sentence := wording.ending(event, self._started, self._closing.step, self._show.is_chat):
            lines += page.line([sentence], style="yellow")
        if event.answer and "\n" not in event.answer and not self._show.extract:
            lines += [*page.line(["Answer:", clean(event.answer)], style="bold"), Text()]
        self._print([*lines, *self._closing.lines(page, self._show.stats)])
        self._region.close()

    @property
    def _page(self) -> Page:
        return Page(self._console.width, self._marks.width, self._show.confidence)

    def _print_step(self, label: Label, text: str, styles: Styles = "", note: Sequence[str] = ()) -> None:
        """Print a step permanently; an empty one leaves at most a blank line."""
        self._live = None
        page, body = self._page, body_of(text)
        if self._show.brief:
            style = styles if isinstance(styles, str) else ""
            line = page.brief(label, body.text, self._marks.ellipsis, style, self._figure)
            self._print([line] if body.text else [])
            return
        lines = [Text()] if body.gap_before and not self._gap else []
        if body.text:
            drawn, self._code = self._drawn(body.text, styles)
            lines += page.step(label, *drawn, self._figure)
            lines += page.note(note, self._marks.dot)
            lines += [Text()] if body.gap_after else []
        self._print(lines)

    def _drawn(self, text: str, styles: Styles) -> tuple[tuple[str, Styles], str | None]:
        """A text with its styles as they are shown, and the language of code that goes on after it.

        A text in the colours of its authors, or struck through, stays as it is.
        """
        if not self._draws or styles == _REJECTED:
            return (text, styles), self._code
        pieces, code = draw(text, self._code, styles if isinstance(styles, str) else "")
        return (("".join(piece for piece, _ in pieces), pieces) if isinstance(styles, str) else (text, styles)), code

    def _print(self, lines: list[Text]) -> None:
        """Print permanent lines and redraw the live step below them."""
        if lines:
            self._gap = not lines[-1].plain
        self._region.update(lines, self._live_lines())
        self._drawn_at = self._clock() if self._clock else 0.0

    def _live_lines(self) -> list[Text]:
        """What is live: the step being written, and the line about the run."""
        if self._clock is None:
            return []
        return [*self._live_step(), *(self._line.draw(self._console.width) if self._line else [])]

    def _live_step(self) -> list[Text]:
        """The live step, or the end of a long one: at most a third of the window, so a narrower one fits it too."""
        if self._live is None:
            return []
        text = body_of(self._live.kept + self._live.text).text
        if self._show.brief:
            return [self._page.brief(self._live.label, text, self._marks.ellipsis, self._live.style)]
        style = self._live.pieces if self._live.kept else self._live.style
        lines = self._page.step(self._live.label, *self._drawn(text, style)[0])
        room = max(3, self._console.height // 3)
        if len(lines) <= room:
            return lines
        hidden = f"{self._marks.ellipsis} {wording.count(len(lines) - room + 1, 'line')} above"
        return [*self._page.step(self._live.label, hidden, "dim"), *lines[1 - room :]]
