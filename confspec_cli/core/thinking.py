"""Thinking in a reply: where it begins and ends, and what of the reply is left for the reader."""

from __future__ import annotations

from enum import Enum

THINK_OPEN, THINK_CLOSE = "<think>", "</think>"


class Thought(Enum):
    """Whether a reply has a thought, and whether it has ended."""

    NONE = "none"
    OPEN = "open"
    CLOSED = "closed"


def thought(text: str, opened: bool) -> Thought:
    """Whether `text` ends inside a thought; `opened` says that the prompt has opened one already.

    A closing tag alone closes a thought that nobody saw open.
    """
    while True:
        _, closed, rest = text.partition(THINK_CLOSE)
        if not closed:
            return Thought.OPEN if opened or _opens(text) else Thought.NONE
        if not _opens(rest):
            return Thought.CLOSED
        text = rest


def after_thinking(text: str, opened: bool) -> str:
    """What follows the thought, or several in a row; nothing while one is open."""
    where = thought(text, opened)
    if where is Thought.NONE:
        return text
    while where is Thought.CLOSED:
        text = text.partition(THINK_CLOSE)[2].lstrip("\n")
        if not _opens(text):
            return text
    return ""


def reply_of(text: str, opened: bool, may_think: bool) -> str:
    """What of a reply is meant for the reader. For a model that never thinks a closing tag is text like any other."""
    return after_thinking(text, opened) if opened or may_think or _opens(text) else text


def _opens(text: str) -> bool:
    return text.lstrip().startswith(THINK_OPEN)
