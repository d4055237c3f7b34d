"""Put the question together from files, piped text, the argument and a template.

It reads standard input and files, and knows nothing of models.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.commands._stdin import is_shared, piped_text
from confspec_cli.core.prompts import attached
from confspec_cli.errors import UsageError
from confspec_cli.files import read_text

LEFT_ALONE = "stdin looks shared with another program (a shell loop?), so it was not read; --no-stdin silences this"
_INPUT = "$input"
_STDIN = Path("-")


@dataclass(frozen=True, slots=True)
class Said:
    """The question, warnings about it, and how many characters of it were piped in before an argument."""

    text: str
    warnings: tuple[str, ...] = ()
    piped: int = 0


def question(
    argument: str | None, files: Sequence[Path], template: str | None, stdin: bool, may_be_empty: bool = False
) -> Said:
    """Files, then piped text, then the argument, separated by blank lines and wrapped in the template if there is one.

    An argument or a file named `-` stands for the piped text. Raises UsageError for what is not text, and if everything
    is empty and it may not be.
    """
    named = [attached(file.name, read_text(file)) for file in files if file != _STDIN]
    piped, warnings = "", tuple[str, ...]()
    if argument == "-" or _STDIN in files:
        piped = _piped()
    elif stdin and argument is not None and is_shared():
        warnings = (LEFT_ALONE,)
    elif stdin and sys.stdin is not None and not sys.stdin.isatty():
        piped = _piped()
    parts = [*named, piped, "" if argument in (None, "-") else argument]
    given = "\n\n".join(part for part in parts if part and part.strip())
    if not given and template is None and may_be_empty:
        return Said("")
    if not given and (template is None or _INPUT in template):
        raise UsageError("No question given.", 'confspec ask "What is 17 times 23?"')
    return Said(worded(template, given), warnings, 0 if argument in (None, "-") else len(piped))


def worded(template: str | None, given: str) -> str:
    """Insert the text into a template: in place of `$input`, or at its end if there is no `$input`."""
    if template is None:
        return given
    if _INPUT in template:
        return template.replace(_INPUT, given)
    return "\n\n".join(part for part in (template.rstrip("\n"), given) if part)


def _piped() -> str:
    return piped_text("The piped text", "confspec ask").rstrip("\n")
