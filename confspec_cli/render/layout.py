"""Text layout: a gutter with a label, and the wrapped text to its right.

Widths are in terminal cells, so wide characters count twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rich.cells import cell_len, chop_cells
from rich.text import Text

from confspec_cli.core.thinking import THINK_CLOSE, THINK_OPEN
from confspec_cli.render.console import clean
from confspec_cli.render.symbols import Label

MEASURE = 100  # cells in a line of text; longer ones are hard to read
NARROW = 50  # cells in a window too narrow for a gutter
_OPENS_THINKING = re.compile(rf"{THINK_OPEN}\s*")
_CLOSES_THINKING = re.compile(rf"\s*{THINK_CLOSE}\s*")
_LEAD = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)?")
_WIDE, _CLOSER = r"\u2e80-\u3000\u3003-\u9fff\uac00-\ud7af\uf900-\ufaff", r"、。，．：；！？」』）】》"
_PIECE = re.compile(rf"\s*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_CLOSER}]*")


@dataclass(frozen=True, slots=True)
class Body:
    """The text of a step as shown: without tags, and whether a blank line goes before and after it."""

    text: str
    gap_before: bool
    gap_after: bool


def body_of(step_text: str) -> Body:
    """What to show of a step's text; a blank line replaces the tag that ends the thinking."""
    text = _CLOSES_THINKING.sub("\n\n", _OPENS_THINKING.sub("", clean(step_text).expandtabs(4)))
    said = text.strip("\n")
    return Body(
        said.rstrip() if said.strip() else "",
        gap_before=text.startswith("\n"),
        gap_after=bool(re.search(r"\n[ ]*\n[ ]*$", text)),
    )


@dataclass(frozen=True, slots=True)
class Page:
    """A window `width` cells wide with a gutter of `gutter` cells. The last column is left free."""

    width: int
    gutter: int

    @property
    def _indent(self) -> int:
        return 2 if self.width < NARROW else self.gutter

    @property
    def _room(self) -> int:
        return max(8, min(self.width - 1 - self._indent, MEASURE))

    def step(self, label: Label, text: str, style: str = "") -> list[Text]:
        """The text beside its label, or below it where the window is narrow or the label wider than the gutter."""
        lines = self._indented(wrap(text, self._room), style) if text else []
        if not lines or self.width < NARROW or cell_len(label.text) >= self._indent:
            return [Text(label.text, label.style), *lines]
        gap = " " * (self._indent - cell_len(label.text))
        return [Text.assemble((label.text, label.style), gap, lines[0][self._indent :]), *lines[1:]]

    def brief(self, label: Label, text: str, ellipsis: str, style: str = "") -> Text:
        """The label and as much of the text as fits on one line."""
        gap = " " * (max(self.gutter - cell_len(label.text), 1))
        room = max(8, min(self.width - 1, MEASURE + self.gutter) - cell_len(label.text) - len(gap))
        words = " ".join(text.split())
        if cell_len(words) > room:
            words = chop_cells(words, room - cell_len(ellipsis))[0].rstrip() + ellipsis
        return Text.assemble((label.text, label.style), gap, (words, style))

    def note(self, items: Sequence[str], dot: str) -> list[Text]:
        """Items below a step, in its column."""
        return self._indented(flow(items, dot, self._room), "dim")

    def line(self, items: Sequence[str], dot: str = " ", style: str = "dim") -> list[Text]:
        """Items across the whole width."""
        return [Text(line, style) for line in flow(items, dot, max(8, self.width - 1))]

    def _indented(self, rows: Sequence[str], style: str) -> list[Text]:
        return [Text.assemble(" " * self._indent, (row, style)) if row else Text() for row in rows]


def wrap(text: str, width: int) -> list[str]:
    """Wrap to lines of at most `width` cells; line breaks stay, continuation lines are indented like list items."""
    return [row for line in text.split("\n") for row in _fold(line.rstrip(), width)]


def flow(items: Sequence[str], dot: str, width: int) -> list[str]:
    """Items joined by `dot` in lines of at most `width` cells; only an item too long for a line is broken."""
    lines: list[str] = []
    for item in items:
        longer = f"{lines[-1]}{dot}{item}" if lines else item
        if lines and cell_len(longer) <= width:
            lines[-1] = longer
        else:
            lines.extend(wrap(item, width))
    return lines


def _fold(line: str, width: int) -> list[str]:
    lead = _LEAD.match(line)
    indent = cell_len(lead[0]) if lead else 0
    hang = " " * (indent if indent <= width // 2 else 0)
    rows: list[str] = []
    row = ""
    for piece in _PIECE.findall(line):
        if cell_len(row + piece) <= width:
            row += piece
            continue
        if row:
            rows.append(row)
        *full, last = [hang + part for part in chop_cells(piece.lstrip(), width - len(hang))]
        rows.extend(full)
        row = last
    return [*rows, row]
