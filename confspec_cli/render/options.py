"""The renderer protocol and the options all renderers share."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Protocol, runtime_checkable

if TYPE_CHECKING:  # --help needs no events, and they take a third of its time
    from confspec_cli.core.events import Event


class Format(str, Enum):
    """What goes to stdout."""

    TEXT = "text"  # the reply
    JSON = "json"  # one document about the whole run
    JSONL = "jsonl"  # one event per line, as it happens


class Color(str, Enum):
    """Whether to use colour."""

    AUTO = "auto"
    ALWAYS = "always"
    NEVER = "never"


class Steps(str, Enum):
    """How much of each step to show."""

    FULL = "full"  # their text
    BRIEF = "brief"  # one line each
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Show:
    """What to show. `quiet` hides the steps but never a warning.

    `header` begins with a line about the run. `brief` shows one line of each step; `extract` prints the extracted code
    or answer instead of the reply.
    `is_chat`: what to type next is a command of the chat, not of the shell.
    """

    rejected: bool = False
    confidence: bool = False
    stats: bool = False
    quiet: bool = False
    color: Color = Color.AUTO
    format: Format = Format.TEXT
    brief: bool = False
    extract: bool = False
    header: bool = False
    is_chat: bool = False


class Renderer(Protocol):
    """Shows, prints or saves a run. It may be given another run after the first has finished."""

    def handle(self, event: Event) -> None:
        """Process one event; its output has been written when this returns."""
        ...

    def close(self) -> None:
        """Tidy up the output, whether or not the run finished. May be called twice."""
        ...


@runtime_checkable
class Live(Protocol):
    """A renderer that redraws part of the screen."""

    def pause(self) -> None:
        """Take that part off the screen and restore the cursor, until something is shown again."""
        ...

    def resume(self) -> None:
        """Draw it again, below whatever was printed meanwhile."""
        ...


class Several:
    """Passes every event to several renderers, in order."""

    def __init__(self, renderers: Sequence[Renderer]) -> None:
        self._renderers = renderers

    def handle(self, event: Event) -> None:
        """Pass it to each renderer."""
        for renderer in self._renderers:
            renderer.handle(event)

    def pause(self) -> None:
        """Pause those that are live."""
        for renderer in self._renderers:
            if isinstance(renderer, Live):
                renderer.pause()

    def resume(self) -> None:
        """Resume those that are live."""
        for renderer in self._renderers:
            if isinstance(renderer, Live):
                renderer.resume()

    def close(self) -> None:
        """Close all of them, even if one fails."""
        with ExitStack() as stack:
            for renderer in reversed(self._renderers):
                stack.callback(renderer.close)
