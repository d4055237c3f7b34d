"""`confspec replay`: draw a recorded run again, with no model on the machine.

A record is read as it arrives, so a run on another machine can be watched through a pipe.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, closing, nullcontext
from functools import partial
from pathlib import Path
from typing import Annotated, TextIO

import typer

from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._show_options import PrintOptions
from confspec_cli.commands._stdin import piped_lines
from confspec_cli.core.events import Event, RunFinished, SessionEvent, Warned
from confspec_cli.errors import UsageError
from confspec_cli.files import MAX_TEXT_BYTES, listing_near
from confspec_cli.render.choose import choose
from confspec_cli.render.pacing import paced
from confspec_cli.storage.event_lines import event_of, is_record


@grouped
def replay(
    file: Annotated[
        str,
        typer.Argument(
            metavar="FILE", help="File with one event per line, as written by --format jsonl; - reads stdin."
        ),
    ],
    speed: Annotated[
        float | None,
        typer.Option(
            "--speed",
            help="Play at this multiple of the recorded speed: 1 as it happened, 4 four times as fast. "
            "[default: all at once]",
            min=0.01,
            max=1000,
            show_default=False,
        ),
    ] = None,
    *,
    show: PrintOptions,
) -> None:
    """Play back a recorded run."""
    name = "stdin" if file == "-" else file
    with _opened(file) as stream, closing(choose(sys.stdout, sys.stderr, show.show(), os.environ)) as renderer:
        try:
            lines = iter(partial(stream.readline, MAX_TEXT_BYTES), "")  # a device may hold a line without an end
            events = read(lines, name)
            for event in paced(events, speed, time.sleep) if speed else events:
                renderer.handle(event)
        except UnicodeDecodeError as problem:
            raise UsageError(f"{name} is not text.") from problem


def read(lines: Iterable[str], name: str) -> Iterator[Event]:
    """The events in a recording. Raises UsageError at a line that is not an event.

    A truncated last line and events from a newer version are skipped with a warning.
    """
    complete: bool | None = None
    later = False
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        if not line.endswith("\n") and not is_record(line):
            yield Warned(f"skipped line {number} of {name}: it is cut off")
            return
        event = event_of(line, f"Line {number} of {name}")
        if not isinstance(event, SessionEvent):
            complete = isinstance(event, RunFinished)
        if event is not None:
            yield event
        elif not later:
            later = True
            yield Warned(f"skipped events from a newer confspec (first at line {number} of {name})")
    if complete is None:
        raise UsageError(f"{name} contains no events.")
    if not complete:
        yield Warned(f"{name} ends in the middle of a run")


def _opened(file: str) -> AbstractContextManager[TextIO]:
    if file == "-":
        return nullcontext(piped_lines())
    try:
        return Path(file).open(encoding="utf-8-sig")
    except FileNotFoundError:
        raise UsageError(f"No such file: {file}.", listing_near(Path(file))) from None
    except OSError as problem:
        raise UsageError(f"{file} cannot be read: {problem.strerror}.") from problem
