"""`confspec chat`: a conversation in the terminal."""

from __future__ import annotations

import os
import sys
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer

from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import HardwareFlags, RunFlags, ServerOption, SessionFlags, YesFlag
from confspec_cli.commands._show_options import ShowOptions
from confspec_cli.errors import ConfigError, UsageError
from confspec_cli.render.console_reporter import ConsoleReporter
from confspec_cli.render.notices import Notices
from confspec_cli.runtime.folders import history_file, sessions_folder
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.resolve import user_registry
from confspec_cli.runtime.served_pool import ServedPool
from confspec_cli.runtime.session_saver import SessionOptions, session_for
from confspec_cli.storage.session import Session
from confspec_cli.storage.session_store import SessionStore


@grouped
def chat(
    *,
    system: Annotated[
        str | None, typer.Option("-s", "--system", help="System prompt to use instead of confspec's own.")
    ] = None,
    vi: Annotated[bool, typer.Option("--vi", help="Use vi key bindings.", envvar="CONFSPEC_VI")] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Don't save input history.", envvar="CONFSPEC_NO_HISTORY")
    ] = False,
    options: RunFlags,
    server: ServerOption = None,
    yes: YesFlag = False,
    session: SessionFlags,
    show: ShowOptions,
    hardware: HardwareFlags,
) -> None:
    """Chat with a pair; type /help for the commands."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        raise UsageError(
            "confspec chat must run in a terminal; in scripts use confspec ask.", 'confspec ask "What is 17 times 23?"'
        )
    from confspec_cli.repl.loop import converse  # noqa: PLC0415 - keeps prompt_toolkit out of --help
    from confspec_cli.repl.opening import Terminal, open_chat  # noqa: PLC0415

    registry = user_registry()
    pool = (
        ServedPool(registry, server, options, hardware)
        if server
        else ModelPool(registry, hardware, ConsoleReporter(sys.stderr, os.environ, yes))
    )
    pool.config(options)  # what cannot be is said before a session is begun
    store = _store()
    record = _record(session, store, registry.settings.log)
    screen = Notices(sys.stdout, show.show(), os.environ)
    with closing(pool), closing(record):
        options = pool.as_before(options, record.turns())
        pool.switch(options)
        terminal = Terminal(screen, sys.stdin, _history(no_history), vi)
        opened = open_chat(pool, record, store, terminal)
        opened.options, opened.show, opened.hides_steps = options, show.show(), show.show().quiet
        opened.begin(record)
        if system is not None:
            record.change_system(system)
        try:
            converse(opened)
        finally:
            opened.record.close()


def _record(options: SessionOptions, store: SessionStore | None, is_wanted: bool) -> Session:
    """The session asked for, or a new one. `is_wanted`: sessions are saved unless an option says otherwise."""
    if store is None:
        return Session()
    is_saved = not options.no_log and (is_wanted or options.names_one)
    session = session_for(store, options, is_saved, "chat")
    if session is None or not is_saved:
        return Session(session.turns() if session else ())
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
