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
from confspec_cli.files import decode, read_text

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
    named = [attached(file.name, read_text(file)) for file in files]
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


def _piped() -> str:
    if sys.stdin is None:
        return ""
    text = decode(sys.stdin.buffer.read(), "The piped text", "iconv -f LATIN1 -t UTF-8 FILE | confspec ask")
    return text.rstrip("\n")


def _is_shared() -> bool:
    """Whether standard input is a file that somebody has begun to read, as a `while read` loop has."""
    try:
        number = sys.stdin.fileno()
        return stat.S_ISREG(os.fstat(number).st_mode) and os.lseek(number, 0, os.SEEK_CUR) > 0
    except (OSError, AttributeError):
        return False
