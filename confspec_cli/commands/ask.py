"""`confspec ask`: one prompt, one reply."""

from __future__ import annotations

import os
import sys
import time
from contextlib import closing
from typing import Annotated

import typer

from confspec_cli.cascade import Cascade
from confspec_cli.commands._options import (
    GateOptions,
    HardwareOptions,
    ModelOptions,
    SamplingOptions,
    SessionOptions,
    ShowOptions,
    grouped,
)
from confspec_cli.commands._prompt import prompt_of
from confspec_cli.commands._saving import saving
from confspec_cli.commands._wiring import cast, engines, exit_code, files, rules_of
from confspec_cli.engines.base import Interrupt
from confspec_cli.errors import UsageError
from confspec_cli.events import RunFinished
from confspec_cli.render.choose import choose
from confspec_cli.signals import stopping


@grouped
def ask(
    *,
    prompt: Annotated[
        str | None, typer.Argument(help="The question; piped text goes before it, - is piped text alone.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("-s", "--system", help="System prompt, instead of confspec's own.")
    ] = None,
    models: ModelOptions,
    gate: GateOptions,
    sampling: SamplingOptions,
    session: SessionOptions,
    show: ShowOptions,
    hardware: HardwareOptions,
) -> None:
    """Ask one question and watch it being reasoned out.

    The steps go to stderr and the reply to stdout. On a terminal the step view is the reply.
    """
    question = _question(prompt)
    who = cast(models)
    rules = rules_of(who, models.mode, gate, sampling)
    kept = saving(session, who.saves)
    paths = files(who, models.yes)
    interrupt = Interrupt()
    with closing(kept), engines(who, paths, hardware, interrupt) as loaded:
        opened = prompt_of(question, system, loaded, kept.messages)
        renderer = choose(sys.stdout, sys.stderr, show.show(), os.environ)
        try:
            with stopping(interrupt) as signals:
                for event in kept.over(Cascade(opened, loaded, rules, time.perf_counter).run()):
                    renderer.handle(event)
        finally:
            renderer.close()
    assert isinstance(event, RunFinished)
    raise typer.Exit(exit_code(event.reason, signals))


def _question(argument: str | None) -> str:
    """The argument, with what was piped in before it. Raises UsageError when both are empty."""
    piped = "" if sys.stdin.isatty() else _piped()
    said = [part for part in (piped, "" if argument in (None, "-") else argument) if part and part.strip()]
    if not said:
        raise UsageError("There is nothing to ask.", 'confspec ask "What is 17 times 23?"')
    return "\n\n".join(said)


def _piped() -> str:
    raw = sys.stdin.buffer.read()
    try:
        return raw.decode().rstrip("\n")
    except UnicodeDecodeError as problem:
        raise UsageError(
            f"The piped text is not UTF-8: byte {raw[problem.start]:#04x} at offset {problem.start}.",
            "iconv -f LATIN1 -t UTF-8 FILE | confspec ask",
        ) from None
