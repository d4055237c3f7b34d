"""`confspec sessions`: manage saved sessions."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from datetime import datetime, timedelta, timezone
from typing import Annotated

import typer

from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._output import JsonFlag, NamesFlag, ShortJsonFlag, put_json, put_names, with_json
from confspec_cli.commands._show_options import PrintOptions
from confspec_cli.errors import UsageError
from confspec_cli.render.choose import choose
from confspec_cli.render.console import make_console, put, width_of
from confspec_cli.render.options import Format
from confspec_cli.render.session_export import ExportFormat, document, markdown, put_heading
from confspec_cli.render.wording import columns, count
from confspec_cli.runtime.folders import sessions_folder
from confspec_cli.storage.session import SavedSession
from confspec_cli.storage.session_store import SessionStore

SCHEMA_VERSION = 1

_NAME = "Name or id of a session."
_Name = Annotated[str, typer.Argument(metavar="NAME", help=_NAME)]
_MaybeName = Annotated[str | None, typer.Argument(metavar="[NAME]", help=_NAME, show_default="the most recent one")]

_Yes = Annotated[bool, typer.Option("-y", "--yes", help="Delete without asking.")]


def _age(text: str) -> timedelta:
    """A number of hours, days or weeks."""
    units = {"h": "hours", "d": "days", "w": "weeks"}
    if not (text[:-1].isdecimal() and text[-1:] in units and int(text[:-1]) < 10_000):
        raise UsageError(
            f'"{text}" is not an age: use hours, days or weeks.', "confspec sessions prune --older-than 30d"
        )
    return timedelta(**{units[text[-1]]: int(text[:-1])})


app = typer.Typer(invoke_without_command=True, help="List, search, show, rename, export and delete saved sessions.")


@app.callback()
def sessions(context: typer.Context, as_json: JsonFlag = False, quiet: NamesFlag = False) -> None:
    """List, search, show, rename, export and delete saved sessions."""
    if context.invoked_subcommand is None:
        list_sessions(as_json, quiet)


@app.command("list")
def list_sessions(as_json: JsonFlag = False, quiet: NamesFlag = False) -> None:
    """List the saved sessions, the one last used first."""
    store = _store()
    _put_list(store, store.list(), "No saved sessions", as_json, quiet)


@app.command()
def search(
    words: Annotated[list[str], typer.Argument(metavar="WORDS...", help="Words that all must occur, in any order.")],
    as_json: JsonFlag = False,
    quiet: NamesFlag = False,
) -> None:
    """List the sessions whose name, questions or replies hold these words."""
    store = _store()
    found = [session for session in store.list() if session.mentions(words)]
    _put_list(store, found, f"No session mentions {' and '.join(words)}", as_json, quiet)


def _put_list(store: SessionStore, found: Sequence[SavedSession], otherwise: str, as_json: bool, quiet: bool) -> None:
    """Print sessions, and which files could not be read."""
    if as_json:
        listed = [
            {
                "id": session.id,
                "name": session.name or None,
                "path": str(session.path),
                "created": session.created.isoformat(),
                "used": session.used.isoformat(),
                "turns": len(session.turns()),
                "first_prompt": next((turn.user for turn in session.turns()), ""),
                "warnings": session.warnings,
            }
            for session in found
        ]
        put_json({"schema_version": SCHEMA_VERSION, "folder": str(store.folder), "sessions": listed})
    elif quiet:
        put_names([session.label for session in found])
    elif found:
        put(sys.stdout, _listing(found) + "\n")
    else:
        put(sys.stderr, f"{otherwise} in {store.folder}.\n")
    for warning in store.warnings:
        put(sys.stderr, f"warning: {warning}\n")


@app.command()
@grouped
def show(
    name: _MaybeName = None,
    *,
    show: PrintOptions,
) -> None:
    """Show a session: prompts and steps on stderr, replies on stdout."""
    session, shown = _found(name), show.show()
    if shown.format is Format.JSON:
        put_json(document(session.id, session.name, session.turns()))
        return
    for warning in session.warnings:
        put(sys.stderr, f"warning: {warning}\n")
    console = make_console(sys.stderr, show.color, os.environ)
    for number, turn in enumerate(session.turns()):
        if not shown.quiet and shown.format is Format.TEXT:
            put_heading(console, turn, is_first=number == 0)
        with closing(choose(sys.stdout, sys.stderr, shown, os.environ)) as renderer:
            for event in turn.events:
                renderer.handle(event)


@app.command()
def rm(
    names: Annotated[list[str], typer.Argument(metavar="NAME...", help="Names or ids of sessions.")],
    yes: _Yes = False,
) -> None:
    """Delete sessions permanently."""
    store = _store()
    found = {session.id: session for session in map(store.open, names)}
    _delete(store, list(found.values()), yes, "confspec sessions rm --yes NAME")


@app.command()
def prune(
    older_than: Annotated[
        str, typer.Option("--older-than", metavar="AGE", help="How long ago they were last used: 12h, 30d or 8w.")
    ],
    yes: _Yes = False,
) -> None:
    """Delete sessions that have not been used for a while, permanently."""
    since = datetime.now(timezone.utc) - _age(older_than)
    store = _store()
    found = [session for session in store.list() if session.used < since]
    if found:
        _delete(store, found, yes, f"confspec sessions prune --yes --older-than {older_than}")
    else:
        put(sys.stderr, f"No session was last used more than {older_than} ago.\n")


def _delete(store: SessionStore, found: Sequence[SavedSession], yes: bool, command: str) -> None:
    """Delete sessions once that was agreed to. Raises UsageError where nobody can be asked."""
    for session in found:
        put(sys.stderr, f"{session.label}: {count(len(session.turns()), 'turn')}, {session.path}\n")
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError("Needs confirmation but stdin is not a terminal; add --yes.", command)
        if not typer.confirm(f"Delete {count(len(found), 'session')} permanently?", err=True):
            put(sys.stderr, "Nothing was deleted.\n")
            return
    for session in found:
        store.remove(session)
    put(sys.stderr, f"Deleted {count(len(found), 'session')}.\n")


@app.command()
def rename(
    name: _Name,
    new: Annotated[str, typer.Argument(metavar="NEW", help="New name.")],
) -> None:
    """Rename a session."""
    store = _store()
    with closing(store.open(name)) as session:
        store.rename(session, new)


@app.command()
def export(
    name: _MaybeName = None,
    format_: Annotated[ExportFormat, typer.Option("--format", help="Output format.")] = ExportFormat.MD,
    as_json: ShortJsonFlag = False,
) -> None:
    """Write a whole session to stdout, as Markdown or JSON."""
    session = _found(name)
    if with_json(format_, as_json) is ExportFormat.JSON:
        put_json(document(session.id, session.name, session.turns()))
    else:
        put(sys.stdout, markdown(session.label, session.turns()))


def _store() -> SessionStore:
    return SessionStore(sessions_folder(os.environ))


def _found(name: str | None) -> SavedSession:
    """The session with this name, or the most recent one. Raises UsageError if there is none."""
    store = _store()
    session = store.latest() if name is None else store.open(name)
    if session is None:
        raise UsageError("No saved sessions yet.", 'confspec ask "What is 17 times 23?"')
    return session


def _listing(found: Sequence[SavedSession]) -> str:
    widest = max(len(session.label) for session in found)
    room = max(12, min(48, (width_of(sys.stdout) or 100) - widest - 29))
    rows = [("NAME", "LAST USED", "TURNS", "TITLE")]
    for session in found:
        used = f"{session.used.astimezone():%Y-%m-%d %H:%M}"
        begin = session.title if len(session.title) <= room else session.title[: room - 1] + "…"
        rows.append((session.label, used, str(len(session.turns())), begin))
    return columns(rows)
