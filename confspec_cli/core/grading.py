"""Final answers: find one in a reply, and tell whether two are the same."""

from __future__ import annotations

import re
import textwrap
from decimal import Decimal, InvalidOperation
from enum import Enum

_STATED = re.compile(r"(?:^|\n)\W*(?:final\s+)?answer\W*?:\W*?([^\n]+)", re.IGNORECASE)
_CHOSEN = re.compile(r"(?i:answer|choice|option)(?i:\s+is)?[\s:*_$(\[{\\]*(?:boxed\{)?\(?([A-J])\b")
_LETTER = re.compile(r"\W*([A-Ja-j])\W*")
_CHOICE = re.compile(r"\W*(?:text\{)?\W*([A-J])\b")
_FENCE = re.compile(r"([ \t]*)(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})([^`]*)$")


class Answer(str, Enum):
    """What a final answer looks like."""

    BOXED = "boxed"  # \\boxed{…}, or stated: "Answer: …"
    CHOICE = "choice"  # the letter of a choice
    CODE = "code"  # the last fenced code block
    NONE = "none"  # there is none to be recognised


def final_answer(reply: str, kind: Answer = Answer.BOXED) -> str | None:
    """The final answer of a reply, or None: for a choice its letter, else what is boxed or stated."""
    match kind:
        case Answer.CODE:
            return code_block(reply)
        case Answer.CHOICE:
            return _choice(reply)
        case Answer.NONE:
            return None
    return _boxed_or_stated(reply)


def extract(reply: str, kind: Answer) -> str | None:
    """What a program wants of a reply: its last code block or its final answer, whichever `kind` looks for first."""
    if kind in (Answer.CODE, Answer.NONE):
        return code_block(reply) or _boxed_or_stated(reply)
    return final_answer(reply, kind) or code_block(reply)


def code_block(reply: str) -> str | None:
    """What stands in the last fenced code block, without its fences; in one cut off only where no other was closed."""
    blocks = code_blocks(reply)
    return blocks[-1] if blocks else None


def code_blocks(reply: str) -> list[str]:
    """What stands in the fenced code blocks, empty ones apart; one cut off counts only where no other was closed."""
    found: list[str] = []
    opened = ""
    lines: list[str] = []
    for line in reply.split("\n"):
        fence = _FENCE.match(line)
        if opened and fence and fence[2].startswith(opened) and not fence[3].strip():
            found.append(textwrap.dedent("\n".join(lines)))
            opened = ""
        elif opened:
            lines.append(line)
        elif fence:
            opened, lines = fence[2], []
    closed = [block for block in found if block]
    cut_off = textwrap.dedent("\n".join(lines)).rstrip("\n") if opened else ""
    return closed or [cut_off] * bool(cut_off)


def _choice(reply: str) -> str | None:
    stated = _boxed_or_stated(reply)
    if alone := _LETTER.fullmatch(stated or reply):
        return alone[1].upper()
    chosen = _CHOSEN.findall(reply)
    boxed = _CHOICE.match(stated or "")
    return boxed[1] if boxed else chosen[-1] if chosen else stated


def _boxed_or_stated(reply: str) -> str | None:
    """The last `\\boxed{…}` of a reply, else the last line that says "Answer: …", else None."""
    start = reply.rfind("\\boxed{")
    if start >= 0 and (boxed := _braced(reply, start + len("\\boxed"))) is not None:
        return boxed.strip() or None
    stated = _STATED.findall(reply)
    return stated[-1].strip().strip("*_$ ") or None if stated else None


def same_answer(one: str, other: str) -> bool:
    """Whether two answers agree: as numbers where both are, else as text without spaces, dollars or a full stop."""
    a, b = _tidy(one), _tidy(other)
    try:
        return Decimal(a.replace(",", "")) == Decimal(b.replace(",", ""))
    except InvalidOperation:
        return a == b


def _tidy(answer: str) -> str:
    bare = re.sub(r"\\(?:text|mathrm)\{([^{}]*)\}", r"\1", answer)
    return re.sub(r"\\[,;! ]|\\\$|[\s$]|\\%|%", "", bare).rstrip(".")


def _braced(text: str, start: int) -> str | None:
    """What stands between the brace at `start` and the one that closes it."""
    depth = 0
    for position in range(start, len(text)):
        depth += {"{": 1, "}": -1}.get(text[position], 0)
        if depth == 0:
            return text[start + 1 : position]
    return None
