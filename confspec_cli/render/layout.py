"""Text layout: a gutter with a label, and the wrapped text to its right.

Widths are in terminal cells, so wide characters count twice.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate, groupby
from operator import itemgetter

from rich.cells import cell_len, chop_cells
from rich.text import Text

from confspec_cli.core.thinking import THINK_CLOSE, THINK_OPEN
from confspec_cli.render.console import clean
from confspec_cli.render.symbols import Label

MEASURE = 100  # cells in a line of text; longer ones are hard to read
FIGURE = 13  # cells for "0.50 → 0.05" and the gap before it
NARROW = 50  # cells in a window too narrow for a gutter
_OPENS_THINKING = re.compile(rf"{THINK_OPEN}\s*")
_CLOSES_THINKING = re.compile(rf"\s*{THINK_CLOSE}\s*")
_BLANK_LINES = re.compile(r"\A(?:[ ]*\n)+")
_LEAD = re.compile(r"\s*(?:(?:[-*+]|\d+[.)])\s+)?")
_WIDE, _CLOSER = r"\u2e80-\u3000\u3003-\u9fff\uac00-\ud7af\uf900-\ufaff", r"、。，．：；！？」』）】》"
_PIECE = re.compile(rf"\s*(?:[{_WIDE}]|[^\s{_WIDE}]+)[{_CLOSER}]*")


def _without_tags(text: str) -> str:
    return _CLOSES_THINKING.sub("\n\n", _OPENS_THINKING.sub("", text))


@dataclass(frozen=True, slots=True)
class Body:
    """The text of a step as shown: without tags, and whether a blank line goes before and after it."""

    text: str
    gap_before: bool
    gap_after: bool


def body_of(step_text: str) -> Body:
    """What to show of a step's text; a blank line replaces the tag that ends the thinking."""
    text = _without_tags(clean(step_text).expandtabs(4))
    said = _BLANK_LINES.sub("", text)
    return Body(
        said.rstrip() if said.strip() else "",
        gap_before=said != text,
        gap_after=bool(re.search(r"\n[ ]*\n[ ]*$", text)),
    )


Styles = str | Sequence[tuple[str, str]]
"""The style of a text, or its pieces with a style each."""


@dataclass(frozen=True, slots=True)
class Page:
    """A window `width` cells wide with a gutter of `gutter` cells. The last column is left free.

    `figures`: a column at the right is kept for figures.
    """

    width: int
    gutter: int
    figures: bool = False

    @property
    def _is_narrow(self) -> bool:
        return self.width < NARROW

    @property
    def _indent(self) -> int:
        return 2 if self._is_narrow else self.gutter

    @property
    def _taken(self) -> int:
        return FIGURE if self.figures and not self._is_narrow else 0

    @property
    def _room(self) -> int:
        return max(8, min(self.width - 1 - self._indent - self._taken, MEASURE))

    def step(self, label: Label, text: str, styles: Styles = "", figure: str = "") -> list[Text]:
        """The text beside its label, or below it where the window is narrow or the label wider than the gutter.

        The figure is in the column at the right, in the colour of the label.
        """
        lines = self._indented(wrap(text, self._room), styles) if text else []
        first = Text(label.text, label.style)
        if lines and not self._is_narrow and cell_len(label.text) < self._indent:
            first.append(" " * (self._indent - cell_len(label.text))).append_text(lines.pop(0)[self._indent :])
        return [self._with_figure(first, figure, label.style), *lines]

    def brief(self, label: Label, text: str, ellipsis: str, style: str = "", figure: str = "") -> Text:
        """The label and as much of the text as fits on one line."""
        gap = " " * (max(self.gutter - cell_len(label.text), 1))
        end = min(self.width - 1, MEASURE + self.gutter) - (FIGURE if figure else 0)
        room = max(4, end - cell_len(label.text) - len(gap))
        words = " ".join(text.split())
        if cell_len(words) > room:
            words = chop_cells(words, room - cell_len(ellipsis))[0].rstrip() + ellipsis
        return self._with_figure(Text.assemble((label.text, label.style), gap, (words, style)), figure, label.style)

    def _with_figure(self, line: Text, figure: str, style: str) -> Text:
        end = self._indent + self._room + self._taken
        gap = " " * max(1, end - line.cell_len - cell_len(figure))
        return line.append(gap).append(figure, style) if figure else line

    def note(self, items: Sequence[str], dot: str) -> list[Text]:
        """Items below a step, in its column."""
        return self._indented(flow(items, dot, self._room + self._taken), "dim")

    def line(self, items: Sequence[str], dot: str = " ", style: str = "dim") -> list[Text]:
        """Items across the whole width."""
        return [Text(line, style) for line in flow(items, dot, max(8, self.width - 1))]

    def _indented(self, rows: Sequence[str], styles: Styles) -> list[Text]:
        indent = " " * self._indent
        return [Text(indent).append_text(row) if row else Text() for row in _styled(rows, styles)]


def _styled(rows: Sequence[str], styles: Styles) -> list[Text]:
    """The rows of a wrapped text in the styles of its pieces, which are found by counting what is not white space."""
    if isinstance(styles, str):
        return [Text(row, styles) for row in rows]
    style_of = [style for piece, style in styles for _ in "".join(_without_tags(clean(piece)).split())]
    said, position = [], 0
    for row in rows:
        words = row.lstrip()
        line = Text(row[: len(row) - len(words)])
        ends = accumulate((not character.isspace() for character in words), initial=position)
        styled = [
            (style_of[end] if end < len(style_of) else "", character)
            for end, character in zip(ends, words, strict=False)
        ]
        for style, run in groupby(styled, itemgetter(0)):
            line.append("".join(character for _, character in run), style)
        position += len("".join(words.split()))
        said.append(line)
    return said


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
        word = piece.lstrip()
        fits = cell_len(word) <= width  # then it is moved to the left rather than broken
        begin = hang[: width - cell_len(word)] if fits else hang
        *full, last = [begin + part for part in chop_cells(word, width - len(begin))]
        rows.extend(full)
        row = last
    return [*rows, row]
