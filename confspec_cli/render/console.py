"""Streams: whether one gets colour, which characters it can carry, and how text is put on it.

Nothing here reads the process environment; it is handed in.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import IO

from rich.color import ColorSystem
from rich.console import Console
from rich.text import Text

from confspec_cli.errors import ClosedPipe, StorageError
from confspec_cli.render.options import Color

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def clean(text: str) -> str:
    """Text a model wrote, without the control characters a terminal would obey; newline and tab stay."""
    return _CONTROL.sub("", text)


def put(stream: IO[str], text: str) -> None:
    """Write and flush; a character the encoding cannot carry becomes a question mark.

    Raises ClosedPipe when nobody reads any more, StorageError when the bytes cannot be kept.
    """
    encoding = _encoding(stream)
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise ClosedPipe from None
    except OSError as problem:
        raise StorageError(f"The output cannot be written: {problem.strerror}.", "df -h") from problem


def can_carry(stream: IO[str], text: str) -> bool:
    """Whether the encoding of the stream has all these characters."""
    try:
        text.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def is_dumb(env: Mapping[str, str]) -> bool:
    """Whether the terminal is one that can neither colour nor move its cursor."""
    return env.get("TERM", "").lower() in ("dumb", "unknown")


def make_console(stream: IO[str], color: Color, env: Mapping[str, str]) -> Console:
    """A Rich console on `stream`, which colours where asked to.

    `color` goes first, then NO_COLOR, then FORCE_COLOR, then whether the stream is a terminal that can. Only the
    sixteen colours of the reader's own palette are used. The size of the window is read whenever it is asked for.
    """
    if color is not Color.AUTO:
        colored = color is Color.ALWAYS
    elif env.get("NO_COLOR"):
        colored = False
    else:
        colored = env.get("FORCE_COLOR", "0") not in ("", "0") or (stream.isatty() and not is_dumb(env))
    return Console(
        file=stream,
        force_terminal=colored,
        color_system="standard" if colored else None,
        legacy_windows=False,
        _environ={},  # COLUMNS would freeze the width
    )


def paint(console: Console, lines: Iterable[Text]) -> str:
    """The lines as the characters to send, colours included, each ended by a newline."""
    system = ColorSystem.STANDARD if console.color_system else None
    pieces = Text("\n").join([*lines, Text()]).render(console)
    return "".join(style.render(text, color_system=system) if style else text for text, style, _ in pieces)


def _encoding(stream: IO[str]) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
