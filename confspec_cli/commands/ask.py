"""`confspec ask`: one prompt, one reply."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Annotated

import typer

from confspec_cli.commands._input import question
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import (
    AnswerOptions,
    GateOptions,
    HardwareOptions,
    InputOptions,
    ModelOptions,
    SamplingOptions,
    SessionOptions,
    ShowOptions,
    WorkOptions,
)
from confspec_cli.commands._templates import folder, saved
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import Event, RunFinished, RunStarted, Warned
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import Exit
from confspec_cli.render.choose import choose
from confspec_cli.runtime.answer_form import wanted
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.resolve import as_before, build_config, exit_code, files, resolve_pair, thinks
from confspec_cli.runtime.session_saver import saving
from confspec_cli.runtime.signals import stopping
from confspec_cli.storage import templates


@grouped
def ask(
    *,
    invocation: typer.Context,
    prompt: Annotated[
        str | None, typer.Argument(help="The question; piped text goes before it, - is piped text alone.")
    ] = None,
    system: Annotated[
        str | None, typer.Option("-s", "--system", help="System prompt, instead of confspec's own.")
    ] = None,
    put: InputOptions,
    models: ModelOptions,
    work: WorkOptions,
    answer: AnswerOptions,
    gate: GateOptions,
    sampling: SamplingOptions,
    session: SessionOptions,
    show: ShowOptions,
    hardware: HardwareOptions,
) -> None:
    """Ask one question and watch it being reasoned out.

    The steps go to stderr and the reply to stdout. On a terminal the step view is the reply.
    """
    want = wanted(answer, show.format)
    if put.save_template is not None:
        typer.echo(f"Saved as {saved(invocation, put.save_template, prompt)}", err=True)
        return
    words = templates.load(folder(), put.template).prompt if put.template else None
    said = question(prompt, put.file or (), words, put.stdin)
    resolved = resolve_pair(models)
    kept = saving(session, resolved.saves)
    resolved = resolve_pair(as_before(models, kept.session.turns() if kept.session else ()))
    config = replace(build_config(resolved, models.mode, gate, sampling, work), form=want.form)
    paths = files(resolved, models.yes)
    interrupt = Interrupt()
    with kept, engines(resolved, paths, hardware, interrupt) as loaded:
        opened = prompt_of(said.text, system, loaded, kept.messages, config, thinks(work, loaded))
        renderer = choose(sys.stdout, sys.stderr, replace(show.show(), extract=answer.extract), os.environ)
        try:
            with stopping(interrupt) as signals:
                events = kept.over(ReasoningRun(opened, loaded, config, time.perf_counter).events())
                for event in _told(events, resolved.warnings(config) + said.warnings):
                    renderer.handle(event)
        finally:
            renderer.close()
    assert isinstance(event, RunFinished)
    want.check(event, config.max_tokens)
    code = exit_code(event.reason, signals)
    raise typer.Exit(Exit.OK if want.form and event.reason is FinishReason.LENGTH else code)


def _told(events: Iterator[Event], warnings: Sequence[str]) -> Iterator[Event]:
    """The events of a run, with what is to be known of it where it begins."""
    for event in events:
        yield event
        if isinstance(event, RunStarted):
            yield from map(Warned, warnings)
