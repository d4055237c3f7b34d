"""`confspec ask`: one prompt, one reply."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from confspec_cli import templates
from confspec_cli.cascade import Cascade
from confspec_cli.commands._answers import wanted
from confspec_cli.commands._completion import template_names
from confspec_cli.commands._input import Said, question
from confspec_cli.commands._options import (
    AnswerOptions,
    GateOptions,
    HardwareOptions,
    ModelOptions,
    SamplingOptions,
    ShowOptions,
    WorkOptions,
    grouped,
)
from confspec_cli.commands._templates import folder, saved, stand_behind
from confspec_cli.commands._wiring import cast, engines, exit_code, files, rules_of, stopping, thinks
from confspec_cli.engines.base import Engine, Interrupt, Message, Prompt
from confspec_cli.errors import ContextFull, Exit, UsageError
from confspec_cli.events import Event, RunFinished, RunStarted, Warned
from confspec_cli.render.choose import choose
from confspec_cli.rules import Mode, Rules
from confspec_cli.trace import Author


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
    file: Annotated[
        list[Path] | None, typer.Option("-f", "--file", help="A text file to put before the question; repeatable.")
    ] = None,
    stdin: Annotated[
        bool, typer.Option("--stdin/--no-stdin", help="Read what is piped in; a loop reads it itself.")
    ] = True,
    template: Annotated[
        str | None,
        typer.Option(
            "-t",
            "--template",
            help="A saved template: its words, and its options behind yours.",
            callback=stand_behind,
            is_eager=True,
            autocompletion=template_names,
        ),
    ] = None,
    save_template: Annotated[
        str | None,
        typer.Option("--save-template", metavar="NAME", help="Save the options given as a template, and ask nothing."),
    ] = None,
    models: ModelOptions,
    work: WorkOptions,
    answer: AnswerOptions,
    gate: GateOptions,
    sampling: SamplingOptions,
    show: ShowOptions,
    hardware: HardwareOptions,
) -> None:
    """Ask one question and watch it being reasoned out.

    The steps go to stderr and the reply to stdout. On a terminal the step view is the reply.
    """
    if models.mode in (Mode.TARGET, Mode.DRAFT, Mode.SPECREASON) and (gate.accept, gate.reject) != (None, None):
        raise UsageError(f"--mode {models.mode.value} has no thresholds to turn.", "--mode confspec --accept 0.8")
    want = wanted(answer, show.format)
    if save_template is not None:
        typer.echo(f"Saved as {saved(invocation, save_template, prompt)}", err=True)
        return
    said = question(prompt, file or (), templates.load(folder(), template).prompt if template else None, stdin)
    who = cast(models)
    rules = replace(rules_of(who, models.mode, gate, sampling, work), form=want.form)
    paths = files(who, models.yes)
    interrupt = Interrupt()
    with engines(who, paths, hardware, interrupt) as loaded:
        opened = _prompt(said.text, system, rules, thinks(work, loaded))
        _check_room(opened, loaded)
        renderer = choose(sys.stdout, sys.stderr, replace(show.show(), extract=answer.extract), os.environ)
        try:
            with stopping(interrupt) as signals:
                for event in _told(Cascade(opened, loaded, rules, time.perf_counter).run(), said):
                    renderer.handle(event)
        finally:
            renderer.close()
    assert isinstance(event, RunFinished)
    want.check(event, rules.max_tokens)
    code = exit_code(event.reason, signals)
    raise typer.Exit(Exit.OK if want.form and event.reason == "length" else code)


def _told(events: Iterator[Event], said: Said) -> Iterator[Event]:
    """The events of a run, with what is to be known of its question where it begins."""
    for event in events:
        yield event
        if isinstance(event, RunStarted):
            yield from map(Warned, said.warnings)


def _prompt(question: str, system: str | None, rules: Rules, think: bool) -> Prompt:
    """The prompt both models read. Those that think are told the answer's form at once, others later."""
    text = system if system is not None else (rules.task.system_thinking if think else rules.task.system)
    if think and rules.form:
        question = f"{question}\n\n{rules.form.request}"
    return Prompt((*((Message("system", text),) if text else ()), Message("user", question)), think=think)


def _check_room(prompt: Prompt, loaded: dict[Author, Engine]) -> None:
    """Raises ContextFull, before anything is computed, where the prompt does not fit in every context."""
    for author, engine in loaded.items():
        count, room = engine.count(prompt), engine.card.context
        if count >= room:
            raise ContextFull(
                f"The prompt is {count} tokens long, and the {author.value}'s context holds {room}.",
                f"--context {1 << (count + 512).bit_length()}",
            )
