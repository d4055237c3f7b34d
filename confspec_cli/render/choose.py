"""Choose the renderers of a run, from where the streams go and what was asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from time import monotonic
from typing import TextIO

from confspec_cli.render.console import is_dumb, make_console
from confspec_cli.render.document import Document
from confspec_cli.render.jsonl_output import JsonLines
from confspec_cli.render.options import Format, Renderer, Several, Show
from confspec_cli.render.plain import PlainLines
from confspec_cli.render.reply import ReplyText, ResultText
from confspec_cli.render.symbols import marks_for
from confspec_cli.render.terminal import TerminalView


def choose(
    stdout: TextIO, stderr: TextIO, show: Show, env: Mapping[str, str], clock: Callable[[], float] = monotonic
) -> Renderer:
    """The renderers of a run, combined: stdout carries the reply or the requested JSON, stderr the steps.

    When both are the same terminal, the step view doubles as the reply unless it is shortened. JSON on a screen is
    never mixed with steps.
    """
    if show.format is Format.JSONL or (show.format is Format.JSON and stdout.isatty() and stderr.isatty()):
        show = replace(show, quiet=True)
    console, marks = make_console(stderr, show.color, env), marks_for(stderr)
    if show.quiet or not stderr.isatty():
        return Several([_speaker(stdout, show, at_once=False), PlainLines(console, marks, show)])
    view = TerminalView(console, marks, show, None if is_dumb(env) else clock)
    on_screen = stdout.isatty()
    if show.format is Format.TEXT and on_screen and not (show.brief or show.extract):
        return view
    return Several([view, _speaker(stdout, show, at_once=on_screen)])


def _speaker(stdout: TextIO, show: Show, at_once: bool) -> Renderer:
    match show.format:
        case Format.TEXT:
            return ResultText(stdout) if show.extract else ReplyText(stdout, at_once)
        case Format.JSON:
            return Document(stdout)
        case Format.JSONL:
            return JsonLines(stdout)
