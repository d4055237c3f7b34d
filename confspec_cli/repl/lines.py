"""What a person typed: a message, or a command and its argument. Pure text; knows no command by name.

A line that begins with a slash is a command, and so is a plain exit or quit; a space before it makes it a message.
Three double quotes begin a block in which Enter is a new line, until three more end it.
"""

from __future__ import annotations

from dataclasses import dataclass

_QUOTES = '"""'
_LEAVES = ("exit", "quit")


@dataclass(frozen=True, slots=True)
class Line:
    """`command` is a name with its slash, and `text` its argument; without a command, `text` is the message."""

    command: str
    text: str


def read(typed: str) -> Line:
    """What was meant by what was typed."""
    if typed.startswith("/"):
        name, *rest = typed.split(maxsplit=1)
        return Line(name, rest[0].strip() if rest else "")
    text = typed.strip()
    if text.lower() in _LEAVES and not is_private(typed):
        return Line("/quit", "")
    if text.startswith(_QUOTES):
        text = text[len(_QUOTES) :].removesuffix(_QUOTES).strip("\n")
    return Line("", text)


def readable(typed: str) -> str:
    """The text with a mark in place of bytes that were no UTF-8, as a paste from another encoding brings them."""
    return typed.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def is_open(typed: str) -> bool:
    """Whether a block was begun and not ended."""
    text = typed.strip()
    return text.startswith(_QUOTES) and not (text.endswith(_QUOTES) and len(text) >= 2 * len(_QUOTES))


def is_private(typed: str) -> bool:
    """Whether a line is to stay out of the history: it begins with a space."""
    return typed.startswith(" ")
