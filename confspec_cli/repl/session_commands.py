"""Commands about sessions: /save, /load, /list, /rename, /new, /export. What is said is saved as it is said."""

from __future__ import annotations

import json
from pathlib import Path

from confspec_cli.errors import UsageError
from confspec_cli.files import write_atomically
from confspec_cli.render.transcript import ExportFormat, document, markdown
from confspec_cli.render.wording import count
from confspec_cli.repl.chat import Chat
from confspec_cli.repl.command import Command
from confspec_cli.storage.session import SavedSession, Session


def greet(chat: Chat) -> None:
    """Say which conversation this is, and how it stands."""
    turns = chat.record.turns()
    if isinstance(chat.record, SavedSession):
        for warning in chat.record.warnings:
            chat.screen.say(f"warning: {warning}", style="yellow")
    if turns:
        chat.screen.turn(turns[-1])
        chat.screen.say(f"Going on with {chat.record.label}: {count(len(turns), 'turn')} so far.")


def _save(chat: Chat, text: str) -> None:
    record = chat.record
    if not isinstance(record, SavedSession):
        session = _started(chat, text)
        for event in record.events:
            session.record(event)
        chat.record = session
        chat.screen.say(f"Saved as {session.label}, and from here on as it is said.")
    elif text:
        _rename(chat, text)
    else:
        chat.screen.say(f"Everything is saved as it is said, in {record.label}. /save NAME names it.")


def _load(chat: Chat, text: str) -> None:
    if not text:
        raise UsageError("/load takes the name or id of a session.", "/list")
    if text in (chat.record.id, chat.record.name):
        raise UsageError(f"{text} is this conversation.", "/list")
    session = chat.shelf().open(text)
    if session.turns():
        chat.shelf().claim(session)
    chat.begin(session)
    greet(chat)


def _list(chat: Chat, text: str) -> None:
    del text
    sessions = chat.shelf().list()
    if not sessions:
        chat.screen.say(f"There are no sessions in {chat.shelf().folder}.")
    for session in sessions:
        turns = session.turns()
        begin = " ".join(turns[0].user.split())[:60] if turns else ""
        mark = "*" if session.id == chat.record.id else " "
        used = f"{session.used.astimezone():%Y-%m-%d %H:%M}"
        chat.screen.say(f"{mark} {session.label}  {used}  {count(len(turns), 'turn')}  {begin}", style="")


def _rename(chat: Chat, text: str) -> None:
    if not text:
        raise UsageError("/rename takes a name.", "/rename holiday")
    if not isinstance(chat.record, SavedSession):
        raise UsageError("This conversation is not being saved.", "/save NAME   # saves it, and from here on")
    chat.shelf().rename(chat.record, text)
    chat.screen.say(f"This conversation is {chat.record.label} now.")


def _new(chat: Chat, text: str) -> None:
    before = chat.record.label if chat.record.turns() else ""
    record = _started(chat, text) if isinstance(chat.record, SavedSession) else Session()
    chat.begin(record)
    kept = f" /load {before} goes back." if before and isinstance(record, SavedSession) else ""
    chat.screen.say(f"A new conversation.{kept}")


def _started(chat: Chat, name: str) -> SavedSession:
    """A new session; one with a name has it to itself."""
    session = chat.shelf().new(name or None)
    if name:
        chat.shelf().claim(session)
    return session


def _export(chat: Chat, text: str) -> None:
    kind, _, name = text.partition(" ")
    kinds = [one.value for one in ExportFormat]
    if kind not in kinds or not name.strip():
        raise UsageError("/export takes a format and a path.", f"/export {'|'.join(kinds)} PATH")
    path = Path(name.strip()).expanduser()
    if path.exists():
        raise UsageError(f"{path} exists already.", "choose another name, or remove it first")
    turns = chat.record.turns()
    if kind == ExportFormat.JSON.value:
        whole = json.dumps(document(chat.record.id, chat.record.name, turns), indent=2) + "\n"
    else:
        whole = markdown(chat.record.label, turns)
    write_atomically(path, whole)
    chat.screen.say(f"Wrote {count(len(turns), 'turn')} to {path}.")


COMMANDS = (
    Command("/save", "[NAME]", "names this conversation; one that is not saved, saves it", _save),
    Command("/load", "NAME", "goes on with another conversation", _load, ("session",)),
    Command("/list", "", "lists the saved conversations", _list),
    Command("/rename", "NAME", "gives this conversation another name", _rename),
    Command("/new", "[NAME]", "begins a new conversation", _new),
    Command("/export", "md|json PATH", "writes this conversation to a file", _export, ("md|json", "path")),
)
