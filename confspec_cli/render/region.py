"""The live lines at the bottom of a terminal, redrawn below the permanent output.

Rich's own live display counts rows at the width they were printed for; when the window has been made narrower since,
the terminal has wrapped them and copies pile up. This one counts rows at the current width.
"""

from __future__ import annotations

from collections.abc import Sequence

from rich.cells import chop_cells
from rich.console import Console
from rich.text import Text

from confspec_cli.render.console import paint, send

_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_NO_WRAP, _WRAP = "\x1b[?7l", "\x1b[?7h"  # a line the terminal finds wider than we do must not take a second row
_CLEAR_LINE, _CLEAR_LINE_ABOVE = "\r\x1b[2K", "\x1b[A\x1b[2K"


class Region:
    """Lines that can be replaced. While empty, it sends nothing but text and colours."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: list[str] = []
        self._size = console.size
        self._hides_cursor = False

    def update(self, above: Sequence[Text], live: Sequence[Text]) -> None:
        """Print `above` permanently and draw `live` below it, in a single write."""
        lines, size = [line.plain for line in live], self._console.size
        if not above and (lines, size) == (self._shown, self._size):
            return
        out = self._erase() + paint(self._console, above)
        if live:
            hide = "" if self._hides_cursor else _HIDE_CURSOR
            self._hides_cursor = True
            out += hide + _NO_WRAP + paint(self._console, live) + _WRAP
        self._shown, self._size = lines, size
        if out:
            send(self._console.file, out)

    def close(self) -> None:
        """Remove the live lines and restore the cursor."""
        out = self._erase() + (_SHOW_CURSOR if self._hides_cursor else "")
        self._shown, self._hides_cursor = [], False
        if out:
            send(self._console.file, out)

    def _erase(self) -> str:
        if not self._shown:
            return ""
        width, height = self._console.size
        rows = sum(max(1, len(chop_cells(line, max(2, width)))) for line in self._shown)
        return _CLEAR_LINE + _CLEAR_LINE_ABOVE * min(rows, height - 1)
