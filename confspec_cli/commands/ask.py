"""`confspec ask`: one prompt, one reply."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from confspec_cli.commands._input import question
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import (
    AnswerOptions,
    HardwareFlags,
    InputOptions,
    RunFlags,
    ServerOption,
    SessionFlags,
    YesFlag,
)
from confspec_cli.commands._show_options import PrintOptions
from confspec_cli.commands._templates import folder, saved
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import Event, RunFinished, RunStarted, Warned
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import EngineError, Exit, UsageError
from confspec_cli.render.choose import choose
from confspec_cli.render.console import put
from confspec_cli.render.console_reporter import ConsoleReporter
from confspec_cli.render.options import Format
from confspec_cli.runtime.answer_form import wanted
from confspec_cli.runtime.one_run import Asked, run_here, run_there
from confspec_cli.runtime.resolve import resolve_pair, user_registry
from confspec_cli.runtime.resume import as_before
from confspec_cli.runtime.session_saver import saving
from confspec_cli.runtime.signals import Suspension, exit_code, stopping
from confspec_cli.storage import templates


@grouped
def ask(
    *,
    invocation: typer.Context,
    prompt: Annotated[
        str | None,
        typer.Argument(help="The question. Piped text is placed before it; use - to send only the piped text."),
    ] = None,
    system: Annotated[
        str | None, typer.Option("-s", "--system", help="System prompt to use instead of confspec's own.")
    ] = None,
    given: InputOptions,
    options: RunFlags,
    server: ServerOption = None,
    yes: YesFlag = False,
    answer: AnswerOptions,
    session: SessionFlags,
    show: PrintOptions,
    hardware: HardwareFlags,
) -> None:
    """Ask one question and watch the models work it out.

    The steps go to stderr and the reply to stdout. In a terminal, the step view doubles as the reply.
    With --continue and no question, a reply that was cut off is resumed from its last step.
    """
    shown = replace(show.show(), extract=answer.extract)
    if answer.extract and shown.format is not Format.TEXT:
        raise UsageError(
            f'--extract only works with text output; with --format {shown.format.value} use the field "extract".',
            "leave out --extract",
        )
    want = wanted(answer.extract, answer.schema, answer.format_answer is not None)
    if given.save_template is not None:
        put(sys.stderr, f"Saved as {saved(invocation, given.save_template, prompt)}\n")
        return
    words = templates.load(folder(), given.template).prompt if given.template else None
    said = question(prompt, given.file or (), words, given.stdin, may_be_empty=session.names_one)
    if said.piped and sys.stderr.isatty() and not shown.quiet:
        put(sys.stderr, f"read {said.piped:,} characters from stdin (--no-stdin ignores it)\n")
    registry, reporter = user_registry(), ConsoleReporter(sys.stderr, os.environ, yes)
    if not server:
        resolve_pair(registry, options)  # what cannot be is said before a session is begun
    kept = saving(session, registry.settings.log)
    text = said.text or kept.go_on().user
    options = as_before(registry, options, kept.session.turns() if kept.session else ())
    interrupt = Interrupt()
    asked = Asked(text, system, kept.messages, want, options, hardware, interrupt, kept.earlier)
    with kept, run_there(asked, server) if server else run_here(asked, registry, reporter) as run:
        renderer = choose(sys.stdout, sys.stderr, shown, os.environ, reading=run.reading)
        try:
            with stopping(interrupt) as signals, Suspension(renderer.pause, renderer.resume) as suspension:
                for event in _told(kept.over(run.events), run.warnings + said.warnings):
                    if isinstance(event, RunStarted):
                        limit = int(event.parameters["max_tokens"] or 0)
                    with suspension.drawing():
                        renderer.handle(event)
        except EngineError:
            renderer.close()
            if kept.can_go_on and not shown.quiet:
                put(sys.stderr, "note: confspec ask -c continues from the last step\n")
            raise
        finally:
            renderer.close()
    assert isinstance(event, RunFinished)
    want.check(event, limit)
    code = exit_code(event.reason, signals)
    raise typer.Exit(Exit.OK if want.form and event.reason is FinishReason.LENGTH else code)


def _told(events: Iterator[Event], warnings: Sequence[str]) -> Iterator[Event]:
    """The events of a run, with the warnings right after it starts."""
    for event in events:
        yield event
        if isinstance(event, RunStarted):
            yield from map(Warned, warnings)
