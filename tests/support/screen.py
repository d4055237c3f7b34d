"""A small terminal for tests: shows what a person would see, and folds its lines anew when the window is resized.

It obeys only the escape sequences the step view may send, and fails on any other.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

from rich.cells import cell_len, chop_cells

_CODE = re.compile(r"\x1b\[(\??)([\d;]*)([A-Za-z])")


@dataclass
class _Row:
    text: str = ""
    goes_on: bool = False  # folded: the row below continues the line


@dataclass
class Screen(io.StringIO):
    """A window `width` by `height` cells over endless scrollback. Text can only be written at the end of a row."""

    width: int
    height: int
    rows: list[_Row] = field(default_factory=lambda: [_Row()])
    cursor: int = 0
    cursor_shown: bool = True
    folds: bool = True
    styles: set[str] = field(default_factory=set)
    writes: int = 0

    def isatty(self) -> bool:
        """It is one."""
        return True

    def write(self, text: str) -> int:
        """Show it."""
        self.writes += 1
        position = 0
        while position < len(text):
            if code := _CODE.match(text, position):
                self._obey(*code.groups())
                position = code.end()
            else:
                self._put(text[position])
                position += 1
        return len(text)

    def resize(self, width: int) -> None:
        """Fold every line anew; the cursor stays with its line."""
        rows: list[_Row] = []
        line = ""
        for number, row in enumerate(self.rows):
            line += row.text
            if number == self.cursor:
                cursor = len(rows) + max(0, len(chop_cells(line, width)) - 1)
            if not row.goes_on:
                parts = chop_cells(line, width) or [""]
                rows += [_Row(part, part is not parts[-1]) for part in parts]
                line = ""
        self.rows, self.cursor, self.width = rows, cursor, width

    @property
    def lines(self) -> list[str]:
        """Everything from the beginning of the scrollback."""
        return "".join(row.text + "\n" * (not row.goes_on) for row in self.rows).rstrip("\n").split("\n")

    @property
    def text(self) -> str:
        """The lines as one text."""
        return "\n".join(self.lines)

    def _obey(self, private: str, number: str, verb: str) -> None:
        match private + verb, number:
            case "m", _:
                self.styles.update(number.split(";"))
            case "A", "":
                self.cursor = max(self.cursor - 1, len(self.rows) - self.height, 0)
            case "K", "2":
                self.rows[self.cursor] = _Row()
                if self.cursor:
                    self.rows[self.cursor - 1].goes_on = False
            case "?l" | "?h", "25":
                self.cursor_shown = verb == "h"
            case "?l" | "?h", "7":
                self.folds = verb == "h"
            case unknown:
                raise AssertionError(f"the terminal was sent {unknown}")

    def _put(self, character: str) -> None:
        if character == "\n":
            self.cursor += 1
            if self.cursor == len(self.rows):
                self.rows.append(_Row())
        elif character != "\r":
            assert character.isprintable() or character in "\u200d\ufe0f", f"a raw {character!r} reached the terminal"
            row = self.rows[self.cursor]
            if cell_len(row.text + character) <= self.width:
                row.text += character
            elif self.folds:
                row.goes_on = True
                self._put("\n")
                self._put(character)
