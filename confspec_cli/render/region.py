"""The last lines of a terminal, drawn again and again below what has been printed for good.

Rich's own live display counts lines at the width they were printed for; a window made narrower meanwhile has folded
them, and its lines would pile up. This one counts at the width of the moment.
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
    """Lines that can be replaced. With none shown, it sends the terminal nothing but text and colours."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._shown: list[str] = []
        self._hides_cursor = False

    def update(self, above: Sequence[Text], live: Sequence[Text]) -> None:
        """Print `above` for good where the region was, and draw `live` as the region, in one write."""
        out = self._erase() + paint(self._console, above)
        if live:
            hide = "" if self._hides_cursor else _HIDE_CURSOR
            self._hides_cursor = True
            out += hide + _NO_WRAP + paint(self._console, live) + _WRAP
        self._shown = [line.plain for line in live]
        if out:
            send(self._console.file, out)

    def close(self) -> None:
        """Take the region away and give the cursor back."""
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
