"""A stream of text cut into reasoning steps: incremental, pure, and the same however the text is chunked.

Prose is cut after a blank line, after a list item and after the line that closes the thinking; code after a statement
or block, after some lines at the latest, and after the fence that closes it, so that what follows a finished program is
a step of its own. Nothing is cut inside a display equation, nor before it says something: headings and lead-ins ("So we
have:", "for x in y:") belong to what follows.
Every boundary is known the moment its newline is seen, so nothing is read ahead.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

from confspec_cli.core.thinking import THINK_CLOSE

_FENCE = re.compile(r"\s{0,3}(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})(.*)")
_LIST_ITEM = re.compile(r"\s{0,3}(?:[-*+]|\d+[.)])\s")
_HEADING = re.compile(r"#{1,6}\s|(\*\*|__)[^*_]*\1:?$")
_LEAD_IN = re.compile(r".*:(\*\*|__)?$")
_MATH = re.compile(r"(?<!\\)\\\[|\\\]|\$\$|\\begin\{(\w+\*?)\}|\\end\{(\w+\*?)\}")
_MOST_BLANKS = 2  # blank lines in a display equation; one with more was never meant to be one
_CODE_LEAD_IN = re.compile(r"(#\s|//|@).*|.*[:,({\[\\]$")  # a comment, a decorator, a line that something must follow
_QUOTE = re.compile(r'"""|\'\'\'')
_MOST_LINES = 8  # of code in a step, where no statement ends before


@dataclass(slots=True)
class Splitter:
    """Finds step boundaries in text fed piece by piece. `min_chars`: what a step must say, headings not counted."""

    min_chars: int
    _line: str = ""
    _said: int = 0
    _lines: int = 0
    _fence: str = ""
    _quote: str = ""
    _math: str = ""
    _blanks_in_math: int = 0
    _leads: bool = False
    _is_block: bool = False

    def feed(self, text: str) -> int | None:
        """Read up to the first step boundary: the offset just after it, or None when all of `text` was read.

        The rest of the text, past the offset, belongs to the next step and has not been read.
        """
        start = 0
        while (newline := text.find("\n", start)) >= 0:
            line = self._line + text[start:newline]
            self._line = ""
            start = newline + 1
            if self._closes_step(line):
                self._said = self._lines = 0
                return start
        self._line += text[start:]
        return None

    def passes(self, text: str) -> bool:
        """Read all of `text`, which is never cut: whether a step ends in it; what stands past its end stays with it."""
        end = self.feed(text)
        passed = end is not None
        while end is not None:
            text = text[end:]
            end = self.feed(text)
        return passed

    def force(self) -> None:
        """End the step here, boundary or not. An equation that never closed is forgotten; a code fence is not."""
        self._said = self._lines = 0
        self._math = ""
        if not _FENCE.match(self._line):
            self._line = ""

    @property
    def fence(self) -> str:
        """The fence of the code block the text stands in; empty outside of one."""
        return self._fence

    def copy(self) -> Splitter:
        """A splitter in the same state, to go back to."""
        return replace(self)

    def _closes_step(self, line: str) -> bool:
        stripped, fence = line.strip(), _FENCE.match(line)
        if self._fence:
            if fence and fence[1].startswith(self._fence) and not fence[2].strip():
                self._fence = self._quote = ""
                self._leads = False
                return True
            return self._closes_step_of_code(line, stripped)
        if fence and not self._math and "`" not in fence[2]:
            self._fence, self._said, self._lines, self._leads = fence[1], 0, 0, True
            return False
        was_inside = bool(self._math)
        self._follow_math(stripped)
        if self._math:
            self._said += len(stripped)
            self._leads = False
            return False
        if THINK_CLOSE in stripped:
            return True
        if stripped:
            is_heading = not was_inside and _HEADING.match(stripped) is not None
            self._said += 0 if is_heading else len(stripped)
            self._leads = is_heading or (not was_inside and _LEAD_IN.match(stripped) is not None)
        ends = not stripped or (not was_inside and _LIST_ITEM.match(line) is not None)
        return ends and not self._leads and self._said >= self.min_chars

    def _closes_step_of_code(self, line: str, stripped: str) -> bool:
        """Whether a line of code ends a step: it ends a statement, as far as it shows, or leaves a block behind."""
        self._lines += stripped != ""
        self._said += len(stripped)
        for quote in _QUOTE.findall(stripped):
            self._quote = "" if quote == self._quote else self._quote or quote
        leaves_block = self._is_block and not stripped  # as a finished function does, however little its end says
        if stripped:
            self._leads = bool(self._quote or _CODE_LEAD_IN.match(stripped))
            self._is_block = line[:1].isspace() or stripped.startswith("}")
        says_enough = self._said >= self.min_chars or (leaves_block and self._said > 0)
        return self._lines >= _MOST_LINES or (says_enough and not self._leads)

    def _follow_math(self, line: str) -> None:
        """Display equations open at either end of a line: a sign within it is a price, or closes on the same line.

        A blank line ends one in dollars, as it does for TeX: these open and close alike, so one too many is not told
        from one that opens.
        """
        if not line:
            self._blanks_in_math += 1
        if self._blanks_in_math > _MOST_BLANKS or (not line and self._math == "$$"):
            self._math = ""
        position = 0
        while sign := _MATH.search(line, position):
            position = sign.end()
            closer = {"\\[": "\\]", "$$": "$$"}.get(sign[0]) or (f"\\end{{{sign[1]}}}" if sign[1] else "")
            if self._math:
                self._math = "" if sign[0] == self._math else self._math
            elif closer and (end := line.find(closer, position)) >= 0:
                position = end + len(closer)
            elif closer and (sign[1] or sign.start() == 0 or position == len(line)):
                self._math, self._blanks_in_math = closer, 0


def split(text: str, min_chars: int) -> list[str]:
    """All steps of a whole text; joined, they are the text."""
    splitter = Splitter(min_chars)
    steps = []
    while (end := splitter.feed(text)) is not None:
        steps.append(text[:end])
        text = text[end:]
    return [*steps, text] if text else steps


def paragraph(said: str, text: str) -> str:
    """`text` as the beginning of a new paragraph after what was said."""
    newlines = len(said) - len(said.rstrip("\n"))
    return "\n" * max(0, 2 - newlines) + text if said else text
