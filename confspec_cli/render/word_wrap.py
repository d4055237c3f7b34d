"""Lines of a reply broken between words, as they arrive at a terminal; code stays as it was written."""

from __future__ import annotations

import re

from rich.cells import cell_len

_PIECE = re.compile(r"\n|[^\S\n]*\S+|[^\S\n]+")
_FENCE = ("```", "~~~")


class WordWrap:
    """Breaks text that comes in parts, which may end anywhere."""

    def __init__(self) -> None:
        self._row = ""  # what stands on the current row of the terminal
        self._is_code = False

    def wrapped(self, text: str, width: int) -> str:
        """The next part in rows of less than `width` cells, as far as its words allow."""
        said = []
        for piece in _PIECE.findall(text):
            if piece == "\n":
                self._is_code ^= self._row.lstrip().startswith(_FENCE)
                self._row = ""
                said.append(piece)
            elif self._must_break(piece, width):
                self._row = piece.lstrip()
                said.append(f"\n{self._row}")
            else:
                self._row += piece
                said.append(piece)
        return "".join(said)

    def _must_break(self, piece: str, width: int) -> bool:
        is_between_words = piece[0].isspace() or self._row[-1:].isspace()
        if self._is_code or not is_between_words or not self._row.strip():
            return False
        return bool(piece.strip()) and cell_len(self._row + piece) >= width
