"""Choose the renderers of a run, from where the streams go and what was asked for."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import nullcontext
from dataclasses import replace
from time import monotonic
from typing import TextIO

from confspec_cli.core.events import Event, RunFinished
from confspec_cli.render.console import is_dumb, make_console
from confspec_cli.render.document import Document
from confspec_cli.render.jsonl_output import JsonLines
from confspec_cli.render.live_line import LiveLine, Reading, nothing_read
from confspec_cli.render.options import Format, Renderer, Several, Show
from confspec_cli.render.plain import PlainLines
from confspec_cli.render.reply import ReplyText, ResultText
from confspec_cli.render.status_line import StatusLine
from confspec_cli.render.symbols import marks_for
from confspec_cli.render.terminal import TerminalView
from confspec_cli.render.ticking import Ticking

_KEYS = ("Ctrl-C stop",)


def choose(
    stdout: TextIO,
    stderr: TextIO,
    show: Show,
    env: Mapping[str, str],
    clock: Callable[[], float] = monotonic,
    reading: Reading = nothing_read,
) -> Several:
    """The renderers of a run, combined: stdout carries the reply or the requested JSON, stderr the steps.

    When both are the same terminal, the step view doubles as the reply unless it is shortened. JSON on a screen is
    never mixed with steps. When stdout is a pipe, its reader gets the text, and the terminal no more than one line that
    goes again; and where no line can, or more is asked for, a line for each step without its text.
    """
    is_piped = show.format is Format.JSONL and not _is_file(stdout)  # maybe into a replay on this terminal
    if is_piped or (show.format is Format.JSON and stdout.isatty() and stderr.isatty()):
        show = replace(show, quiet=True)
    console, marks = make_console(stderr, show.color, env), marks_for(stderr)
    on_screen, moves = stdout.isatty(), stderr.isatty() and not is_dumb(env)
    speaker = _speaker(stdout, show, at_once=on_screen and stderr.isatty() and not show.quiet)
    if show.quiet or not stderr.isatty() or not (on_screen or moves):
        return Several([speaker, PlainLines(console, marks, show)])
    line = LiveLine(marks.dot, clock, _KEYS, reading)
    if not on_screen:
        streams = show.format is Format.TEXT and not show.extract
        asked = show.brief or show.confidence or show.rejected
        status = StatusLine(console, marks, replace(show, quiet=not asked), line, clock, streams)
        return Several([Ticking(status, line), speaker])
    steps = TerminalView(console, marks, replace(show, header=True), clock if moves else None, line)
    view = Ticking(steps, line) if moves else steps
    if show.format is Format.TEXT and not (show.brief or show.extract):
        return Several([view])
    return _ReplyFirst(view, steps, speaker, show.extract)


class _ReplyFirst(Several):
    """Steps that are shortened, below them the reply or what is extracted of it, and then how the run went.

    The view is the `steps`, or what redraws them.
    """

    def __init__(
        self, view: TerminalView | Ticking[TerminalView], steps: TerminalView, speaker: Renderer, extracts: bool
    ) -> None:
        super().__init__([view, speaker])
        self._view, self._steps, self._speaker, self._extracts = view, steps, speaker, extracts

    def handle(self, event: Event) -> None:
        """Pass it to the view and the speaker, the last one the other way round."""
        if not isinstance(event, RunFinished) or not (event.extract if self._extracts else event.reply):
            super().handle(event)
            return
        with self._view.held() if isinstance(self._view, Ticking) else nullcontext():
            self._steps.make_way()
            self._speaker.handle(event)
        self._view.handle(event)


def _is_file(stream: TextIO) -> bool:
    try:
        return stat.S_ISREG(os.fstat(stream.fileno()).st_mode)
    except OSError:  # a stream without a file
        return False


def _speaker(stdout: TextIO, show: Show, at_once: bool) -> Renderer:
    match show.format:
        case Format.TEXT:
            return ResultText(stdout) if show.extract else ReplyText(stdout, at_once)
        case Format.JSON:
            return Document(stdout)
        case Format.JSONL:
            return JsonLines(stdout)
