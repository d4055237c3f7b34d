"""Final answers: find one in a reply, and tell whether two are the same."""

from __future__ import annotations

import re
from decimal import Decimal, InvalidOperation

_STATED = re.compile(r"(?:^|\n)\W*(?:final\s+)?answer\W*?:\W*?([^\n]+)", re.IGNORECASE)


def final_answer(reply: str) -> str | None:
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
