"""`confspec replay`: draw a recorded run again, with no model on the machine.

A record is read as it arrives, so a run on another machine can be watched through a pipe.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from pathlib import Path
from typing import Annotated, TextIO

import typer

from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import ShowOptions
from confspec_cli.core.events import Event, RunFinished, SessionEvent, Warned
from confspec_cli.errors import UsageError
from confspec_cli.render.choose import choose
from confspec_cli.storage.event_lines import event_of, is_record


@grouped
def replay(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Events, one a line, as written by --format jsonl; - is stdin.")
    ],
    show: ShowOptions,
) -> None:
    """Draw a recorded run again."""
    name = "stdin" if file == "-" else file
    with _opened(file) as lines, closing(choose(sys.stdout, sys.stderr, show.show(), os.environ)) as renderer:
        try:
            for event in read(lines, name):
                renderer.handle(event)
        except UnicodeDecodeError as problem:
            raise UsageError(f"{name} is not text.") from problem


def read(lines: Iterable[str], name: str) -> Iterator[Event]:
    """The events of a record. Raises UsageError at a line that is none.

    A last line that was cut off, and events of a later version, are left out with a warning.
    """
    complete: bool | None = None
    later = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if not line.endswith("\n") and not is_record(line):
            yield Warned(f"Line {number} of {name} is cut off and left out")
            return
        event = event_of(line, f"Line {number} of {name}")
        if not isinstance(event, SessionEvent):
            complete = isinstance(event, RunFinished)
        if event is not None:
            yield event
        elif not later:
            later = True
            yield Warned(f"events that only a later confspec knows are left out, first in line {number} of {name}")
    if complete is None:
        raise UsageError(f"There are no events in {name}.")
    if not complete:
        yield Warned(f"{name} ends before the run does")


def _opened(file: str) -> AbstractContextManager[TextIO]:
    if file == "-":
        return nullcontext(sys.stdin)
    try:
        return Path(file).open(encoding="utf-8-sig")
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}.") from problem
