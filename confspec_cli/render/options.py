"""What every renderer is: something that is handed the events of a run, one after the other, and then closed."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

from confspec_cli.core.events import Event


class Format(str, Enum):
    """What stdout carries."""

    TEXT = "text"  # the reply
    JSON = "json"  # one document about the whole run
    JSONL = "jsonl"  # one event a line, as it happens


class Color(str, Enum):
    """When to colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Steps(str, Enum):
    """How much of the steps is shown."""

    FULL = "full"  # their text
    BRIEF = "brief"  # a line each
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Show:
    """What a person asked to see. `quiet` leaves out the steps, never a warning.

    `brief` shows a line of each step, `extract` prints what a program wants of the reply and not the reply.
    """

    rejected: bool = False
    confidence: bool = False
    stats: bool = False
    quiet: bool = False
    color: Color = Color.AUTO
    format: Format = Format.TEXT
    brief: bool = False
    extract: bool = False


class Renderer(Protocol):
    """Shows, prints or saves a run. It may be handed a second run after the first has finished."""

    def handle(self, event: Event) -> None:
        """Take in one event; what it says is on its way when this returns."""
        ...

    def close(self) -> None:
        """Leave the output in order, the run finished or not; calling it twice is fine."""
        ...


class Several:
    """Hands every event to several renderers, in order."""

    def __init__(self, renderers: Sequence[Renderer]) -> None:
        self._renderers = renderers

    def handle(self, event: Event) -> None:
        """Pass it on."""
        for renderer in self._renderers:
            renderer.handle(event)

    def close(self) -> None:
        """Close all of them, even where one of them fails."""
        with ExitStack() as stack:
            for renderer in reversed(self._renderers):
                stack.callback(renderer.close)
