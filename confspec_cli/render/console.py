"""Output streams: whether to colour, which characters the encoding has, how text is written.

Text that models, files, servers and names bring along reaches a terminal through `put`, `paint` or `tell`, which leave
out what a terminal would obey; only `send` passes on escape sequences, our own. Nothing here reads the process
environment; it is handed in.
"""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Iterable, Mapping
from typing import IO, TYPE_CHECKING

from confspec_cli.errors import ClosedPipe, StorageError
from confspec_cli.render.options import Color

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

# What a terminal obeys: control characters but newline and tab, and those that turn the direction of writing.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """The text without the characters that a terminal would obey; newline and tab stay."""
    return _CONTROL.sub("", text)


def put(stream: IO[str], text: str) -> None:
    """Write text and flush: as it is to a file or a pipe, clean to a terminal and to stderr, which mostly is one.

    Raises ClosedPipe when the reader is gone, StorageError when the bytes cannot be written.
    """
    send(stream, clean(text) if stream is sys.stderr or stream.isatty() else text)


def send(stream: IO[str], text: str) -> None:
    """Write exactly this and flush; a character the encoding lacks becomes a question mark. Raises as `put`."""
    encoding = _encoding(stream)
    try:
        stream.write(text.encode(encoding, "replace").decode(encoding))
        stream.flush()
    except BrokenPipeError:
        raise ClosedPipe from None
    except OSError as problem:
        raise StorageError(f"Cannot write the output: {problem.strerror}.", "df -h") from problem


def width_of(stream: IO[str]) -> int:
    """How many cells wide a terminal is; 0 where the stream is none, and lines may be as long as they are."""
    return shutil.get_terminal_size().columns if stream.isatty() else 0


def echo(text: str) -> None:
    """Put lines on stdout, as `put` does."""
    put(sys.stdout, f"{text}\n")


def can_carry(stream: IO[str], text: str) -> bool:
    """Whether the stream's encoding has all these characters."""
    try:
        text.encode(_encoding(stream))
    except UnicodeEncodeError:
        return False
    return True


def is_dumb(env: Mapping[str, str]) -> bool:
    """Whether the terminal can neither colour nor move its cursor."""
    return env.get("TERM", "").lower() in ("dumb", "unknown")


def make_console(stream: IO[str], color: Color, env: Mapping[str, str]) -> Console:
    """A Rich console on `stream`, coloured or not.

    `color` decides first, then NO_COLOR, then FORCE_COLOR, then whether the stream is a capable terminal. Only the
    sixteen colours of the terminal's own palette are used. The window size is read anew each time.
    """
    from rich.console import Console  # noqa: PLC0415 - takes longer to import than all that --help needs

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


def tell(console: Console, line: str) -> None:
    """Print a line above the bars that Rich draws on a terminal."""
    console.print(clean(line), markup=False, highlight=False, emoji=False, soft_wrap=True)


def paint(console: Console, lines: Iterable[Text]) -> str:
    """The lines as the characters to send, clean, colours included, each ended by a newline."""
    from rich.color import ColorSystem  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    system = ColorSystem.STANDARD if console.color_system else None
    pieces = Text("\n").join([*lines, Text()]).render(console)
    return "".join(
        style.render(clean(text), color_system=system) if style else clean(text) for text, style, _ in pieces
    )


def _encoding(stream: IO[str]) -> str:
    return getattr(stream, "encoding", None) or "utf-8"
