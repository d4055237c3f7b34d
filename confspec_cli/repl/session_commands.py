"""Commands about sessions: /save, /load, /list, /rename, /new, /export. Turns are saved automatically."""

from __future__ import annotations

import json
from pathlib import Path

from confspec_cli.errors import UsageError
from confspec_cli.files import write_atomically
from confspec_cli.render.session_export import ExportFormat, document, markdown
from confspec_cli.render.wording import count
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command import Command
from confspec_cli.runtime.options import RunOptions
from confspec_cli.storage.session import SavedSession, Session


def greet(chat: Chat) -> None:
    """Print which session this is, and its last turn."""
    turns = chat.record.turns()
    if isinstance(chat.record, SavedSession):
        for warning in chat.record.warnings:
            chat.screen.say(f"warning: {warning}", style="yellow")
    if turns:
        chat.screen.turn(turns[-1])
        chat.screen.say(f'Resumed "{chat.record.label}" ({count(len(turns), "turn")}).')


def _save(chat: Chat, text: str) -> None:
    record = chat.record
    if not isinstance(record, SavedSession):
        session = _started(chat, text)
        for event in record.events:
            session.record(event)
        chat.record = session
        chat.screen.say(f'Saved as "{session.label}"; new turns will be saved too.')
    elif text:
        _rename(chat, text)
    else:
        chat.screen.say(f"This chat is saved automatically as {record.label}; /save NAME renames it.")


def _load(chat: Chat, text: str) -> None:
    if not text:
        raise UsageError("/load takes the name or id of a session.", "/list")
    if text in (chat.record.id, chat.record.name):
        raise UsageError(f"{text} is the current chat.", "/list")
    session = chat.shelf().open(text)
    if turns := session.turns():
        chat.change_options(chat.pool.as_before(RunOptions(), turns))
        chat.shelf().claim(session)
    chat.begin(session)
    greet(chat)


def _list(chat: Chat, text: str) -> None:
    del text
    sessions = chat.shelf().list()
    if not sessions:
        chat.screen.say(f"No saved sessions in {chat.shelf().folder}.")
    for session in sessions:
        mark = "*" if session.id == chat.record.id else " "
        used = f"{session.used.astimezone():%Y-%m-%d %H:%M}"
        turns = count(len(session.turns()), "turn")
        chat.screen.say(f"{mark} {session.label}  {used}  {turns}  {session.title[:60]}", style="")
    for warning in chat.shelf().warnings:
        chat.screen.say(f"warning: {warning}", style="yellow")


def _rename(chat: Chat, text: str) -> None:
    if not text:
        raise UsageError("/rename takes a name.", "/rename holiday")
    if not isinstance(chat.record, SavedSession):
        raise UsageError("This chat is not being saved.", "/save NAME   # starts saving it")
    chat.shelf().rename(chat.record, text)
    chat.screen.say(f'Renamed to "{chat.record.label}".')


def _new(chat: Chat, text: str) -> None:
    before = chat.record.label if chat.record.turns() else ""
    record = _started(chat, text) if isinstance(chat.record, SavedSession) else Session()
    chat.begin(record)
    kept = f" /load {before} returns to the previous one." if before and isinstance(record, SavedSession) else ""
    chat.screen.say(f"Started a new chat.{kept}")


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
        raise UsageError(f"{path} already exists.", f"/export {kind} {path.with_stem(path.stem + '-2')}")
    turns = chat.record.turns()
    if kind == ExportFormat.JSON.value:
        whole = json.dumps(document(chat.record.id, chat.record.name, turns), indent=2) + "\n"
    else:
        whole = markdown(chat.record.label, turns)
    write_atomically(path, whole)
    chat.screen.say(f"Wrote {count(len(turns), 'turn')} to {path}.")


COMMANDS = (
    Command("/save", "[NAME]", "saves this chat, or renames it if it is already saved", _save),
    Command("/load", "NAME", "resumes another session, with its models and settings", _load, ("session",)),
    Command("/list", "", "lists the saved sessions", _list),
    Command("/rename", "NAME", "renames this chat", _rename),
    Command("/new", "[NAME]", "starts a new chat", _new),
    Command("/export", "md|json PATH", "writes this chat to a file", _export, ("md|json", "path")),
)
