"""`confspec chat`: a conversation at a terminal."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import (
    GateOptions,
    HardwareOptions,
    ModelOptions,
    SamplingOptions,
    SessionOptions,
    ShowOptions,
    WorkOptions,
)
from confspec_cli.errors import ConfigError, UsageError
from confspec_cli.render.notices import Notices
from confspec_cli.render.options import Format
from confspec_cli.repl.pool_protocol import RunOptions
from confspec_cli.runtime.folders import history_file, sessions_folder
from confspec_cli.runtime.model_pool import LoadedModelPool
from confspec_cli.runtime.resolve import as_before, resolve_pair
from confspec_cli.storage.session import Session
from confspec_cli.storage.sessions import SessionStore


@grouped
def chat(
    *,
    system: Annotated[
        str | None, typer.Option("-s", "--system", help="System prompt, instead of confspec's own.")
    ] = None,
    vi: Annotated[bool, typer.Option("--vi", help="Keys of vi at the prompt.", envvar="CONFSPEC_VI")] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Keep nothing of what is typed.", envvar="CONFSPEC_NO_HISTORY")
    ] = False,
    models: ModelOptions,
    work: WorkOptions,
    gate: GateOptions,
    sampling: SamplingOptions,
    session: SessionOptions,
    show: ShowOptions,
    hardware: HardwareOptions,
) -> None:
    """Talk with the models and watch them reason; /help lists what can be typed."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError("A chat needs a terminal.", 'confspec ask "What is 17 times 23?"')
    if show.format is not Format.TEXT:
        raise UsageError("A chat has no other format than text.", "/export json PATH   # in the chat")
    from confspec_cli.repl.loop import converse  # noqa: PLC0415 - keeps prompt_toolkit out of --help
    from confspec_cli.repl.opening import Terminal, open_chat  # noqa: PLC0415

    run_options = _wishes(models, work, gate, sampling)
    pool = LoadedModelPool(models, hardware)
    pool.config(run_options)
    store = _store()
    record = _record(session, store, resolve_pair(models).saves)
    models = as_before(models, record.turns())
    run_options, pool = _wishes(models, work, gate, sampling), LoadedModelPool(models, hardware)
    screen = Notices(sys.stdout, show.show(), os.environ)
    with closing(pool), closing(record):
        pool.recast(run_options)
        terminal = Terminal(screen, sys.stdin, _history(no_history), vi)
        opened = open_chat(pool, record, store, terminal)
        opened.run_options, opened.show, opened.hides_steps = run_options, show.show(), show.show().quiet
        opened.begin(record)
        if system is not None:
            record.change_system(system)
        try:
            converse(opened)
        finally:
            opened.record.close()


def _wishes(models: ModelOptions, work: WorkOptions, gate: GateOptions, sampling: SamplingOptions) -> RunOptions:
    return RunOptions(
        pair=models.pair,
        draft=models.draft,
        target=models.target,
        mode=models.mode,
        accept=gate.accept,
        reject=gate.reject,
        min_token_prob=gate.min_token_prob,
        always_draft=gate.always_draft,
        max_tokens=gate.max_tokens,
        max_step_tokens=gate.max_step_tokens,
        temperature=sampling.temperature,
        top_k=sampling.top_k,
        top_p=sampling.top_p,
        min_p=sampling.min_p,
        seed=sampling.seed,
        speculate=sampling.speculate,
        task=work.task,
        think=work.think,
        think_budget=work.think_budget,
    )


def _record(options: SessionOptions, store: SessionStore | None, is_wanted: bool) -> Session:
    """The conversation asked for, else a new one; `is_wanted`: it is saved where nobody says otherwise."""
    if options.resume and options.session:
        raise UsageError("--continue and --session ask for two sessions.", "confspec chat --session NAME")
    if store is None:
        return Session()
    if options.session is not None:
        session = store.find(options.session) or store.new(options.session)
    elif options.resume:
        latest = store.latest()
        if latest is None:
            raise UsageError(f"There is no session to continue in {store.folder}.", "confspec chat")
        session = latest
    else:
        session = store.new()
    if options.no_log or not (is_wanted or options.resume or options.session):
        return Session(session.turns())
    if session.turns() or options.session:
        store.claim(session)
    return session


def _history(is_unwanted: bool) -> Path | None:
    try:
        return None if is_unwanted else history_file(os.environ)
    except ConfigError:  # a user without a home folder
        return None


def _store() -> SessionStore | None:
    try:
        return SessionStore(sessions_folder(os.environ))
    except ConfigError:  # a user without a home folder
        return None
