"""What is asked: files, what was piped in and the argument, put together in the words of a template.

Reads standard input and files; refuses to know what becomes of them.
"""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.core.prompts import attached
from confspec_cli.errors import UsageError

LEFT_ALONE = "standard input is being read by another program, a loop perhaps, and was left alone (--no-stdin says so)"
_INPUT = "$input"


@dataclass(frozen=True, slots=True)
class Said:
    """The question, and what a person should know of how it came about."""

    text: str
    warnings: tuple[str, ...] = ()


def question(argument: str | None, files: Sequence[Path], template: str | None, stdin: bool) -> Said:
    """Files, then what was piped, then the argument, a blank line between; in the template's words if there are any.

    Raises UsageError where all of it is empty, and for what is no text.
    """
    named = [attached(file.name, text_of(file)) for file in files]
    piped, warnings = "", tuple[str, ...]()
    if argument == "-":
        piped = _piped()
    elif stdin and argument is not None and _is_shared():
        warnings = (LEFT_ALONE,)
    elif stdin and sys.stdin is not None and not sys.stdin.isatty():
        piped = _piped()
    parts = [*named, piped, "" if argument in (None, "-") else argument]
    given = "\n\n".join(part for part in parts if part and part.strip())
    if not given and (template is None or _INPUT in template):
        raise UsageError("There is nothing to ask.", 'confspec ask "What is 17 times 23?"')
    return Said(worded(template, given), warnings)


def worded(template: str | None, given: str) -> str:
    """What was given in the words of a template: in place of `$input`, or after them where that is missing."""
    if template is None:
        return given
    if _INPUT in template:
        return template.replace(_INPUT, given)
    return "\n\n".join(part for part in (template.rstrip("\n"), given) if part)


def text_of(file: Path) -> str:
    """The text of a file. Raises UsageError where it cannot be read, or is no text."""
    try:
        raw = file.read_bytes()
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}.", f"ls -l {file}") from problem
    return _decoded(raw, str(file), f"iconv -f LATIN1 -t UTF-8 {file}")


def _piped() -> str:
    if sys.stdin is None:
        return ""
    text = _decoded(sys.stdin.buffer.read(), "The piped text", "iconv -f LATIN1 -t UTF-8 FILE | confspec ask")
    return text.rstrip("\n")


def _is_shared() -> bool:
    """Whether standard input is a file that somebody has begun to read, as a `while read` loop has."""
    try:
        number = sys.stdin.fileno()
        return stat.S_ISREG(os.fstat(number).st_mode) and os.lseek(number, 0, os.SEEK_CUR) > 0
    except (OSError, AttributeError):
        return False


def _decoded(raw: bytes, what: str, hint: str) -> str:
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        raise UsageError(
            f"{what} is not UTF-8: byte {raw[problem.start]:#04x} at offset {problem.start}.", hint
        ) from None
