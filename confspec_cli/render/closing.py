"""What stands below a run that is over: its time as a bar, a legend, and where the time went.

In colour the bar is made of blocks; without, of the marks of the steps, or of letters for the phases.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from rich.text import Text

from confspec_cli.core.events import Event, RunStarted, StepCommitted
from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Origin, Step
from confspec_cli.render import wording
from confspec_cli.render.layout import Page
from confspec_cli.render.symbols import Label, Marks

_WIDEST = 64  # cells of a bar
_PHASES = {
    "draft decode": ("green", "D"),
    "draft prefill": ("bright_green", "d"),
    "draft verification": ("cyan", "v"),
    "target verification": ("yellow", "V"),
    "target prefill": ("bright_magenta", "t"),
    "target decode": ("magenta", "T"),
    "everything else": ("bright_black", "."),
}
_Share = tuple[float, str, str]  # seconds, their style, and their sign where there is no colour


class Closing:
    """Follows a run, and tells of it when it is over. `is_coloured`: the terminal shows colours."""

    def __init__(self, marks: Marks, is_coloured: bool) -> None:
        self._marks = marks
        self._is_coloured = is_coloured
        self._steps: list[Step] = []
        self._stats = RunStats()

    @property
    def step(self) -> int:
        """The number of the step that follows those committed."""
        return len(self._steps) + 1

    def add(self, event: Event) -> None:
        """Take note of an event."""
        match event:
            case RunStarted():
                self._steps, self._stats = [], RunStats()
            case StepCommitted(step=step):
                self._steps.append(step)
        self._stats.add(event)

    def lines(self, page: Page, with_stats: bool) -> list[Text]:
        """The bar, the legend and, `with_stats`, the rest."""
        said = [*self._time(page), *self._legend(page)]
        return [*said, Text(), *self._statistics(page)] if with_stats else said

    def _time(self, page: Page) -> list[Text]:
        """The time of every step in the colour of its author."""
        if len(self._steps) < 2:
            return []
        shares = [share for step in self._steps for share in self._shares(step)]
        rest = self._stats.seconds - sum(seconds for seconds, _, _ in shares)
        return self._bar([*shares, (rest, "bright_black", self._marks.writing)], page)

    def _shares(self, step: Step) -> list[_Share]:
        """A step's time; that of a salvaged step is divided as its tokens are."""
        label = self._marks.origin(step)
        if step.origin is not Origin.SALVAGED or not step.tokens:
            return [(step.seconds, label.style, _mark(label))]
        kept = step.seconds * step.kept_tokens / step.tokens
        return [(kept, "yellow", self._marks.escalated), (step.seconds - kept, "magenta", self._marks.target)]

    def _legend(self, page: Page) -> list[Text]:
        """How many steps there are of each kind, and how long all took; nothing where there are none."""
        if not self._steps:
            return []
        labels = Counter(self._marks.origin(step) for step in self._steps if step.text.strip())
        order = [*dict.fromkeys(Origin)]
        first = {self._marks.origin(step): order.index(step.origin) for step in self._steps}
        kinds = sorted(labels, key=lambda label: first[label])
        items = [(Text(_counted(label, labels[label]), label.style), "  ") for label in kinds]
        figures = [wording.count(self._stats.total_tokens, "token"), *wording.pace(self._stats)]
        items += [(Text(figure, "dim"), self._marks.dot) for figure in figures]
        return _flow(items, max(8, page.width - 1))

    def _statistics(self, page: Page) -> list[Text]:
        """What became of the steps, and where the time went as one bar, with a line for each of its parts."""
        rows = wording.phases(self._stats)
        lines = [line for text in wording.rates(self._stats) for line in page.line([text])]
        if not rows:
            return lines
        lines += [Text(), *self._bar([(seconds, *_PHASES[name]) for name, seconds in rows], page)]
        for name, seconds in rows:
            style, letter = _PHASES[name]
            swatch = self._marks.block if self._is_coloured else letter
            first, *more = page.line([wording.phase(name, seconds, self._stats)])
            lines += [Text.assemble((swatch, style), " ", first), *more]
        return lines

    def _bar(self, shares: Sequence[_Share], page: Page) -> list[Text]:
        """The shares side by side, as wide as they are long."""
        total, width = sum(max(seconds, 0.0) for seconds, _, _ in shares), min(page.width - 1, _WIDEST)
        if total <= 0 or width < 1:
            return []
        line, passed, drawn = Text(), 0.0, 0
        for seconds, style, sign in shares:
            passed += max(seconds, 0.0)
            cells = round(passed / total * width) - drawn
            drawn += cells
            line.append(self._block(cells) if self._is_coloured else sign.strip("[]")[:1] * cells, style)
        return [line]

    def _block(self, cells: int) -> str:
        """So many cells in one piece, with a hair's breadth before the next one."""
        return self._marks.block * (cells - 1) + self._marks.block_end if cells else ""


def _mark(label: Label) -> str:
    return label.text.split()[0]


def _counted(label: Label, number: int) -> str:
    mark, _, word = label.text.partition(" ")
    return f"{mark} {number} {word}"


def _flow(items: Sequence[tuple[Text, str]], width: int) -> list[Text]:
    """Items in lines of at most `width` cells, each with its separator before it."""
    lines: list[Text] = []
    for item, separator in items:
        if lines and lines[-1].cell_len + len(separator) + item.cell_len <= width:
            lines[-1].append(separator, "dim").append_text(item)
        else:
            lines.append(item)
    return lines
