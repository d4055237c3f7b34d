"""Sessions: conversations kept in files, one event a line, each on the disk the moment it has happened.

Nothing is ever rewritten: undoing, renaming and forgetting are events too. A file that was damaged is read as far as
it goes. Knows files and names; what the events amount to is a Conversation's affair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from confspec_cli.core.conversation import Conversation, Turn
from confspec_cli.core.events import (
    Event,
    RunFinished,
    RunStarted,
    SessionEvent,
    SessionNamed,
    StepCommitted,
    SystemChanged,
    TextWritten,
    TurnsForgotten,
    TurnsUndone,
    to_dict,
)
from confspec_cli.core.messages import Message
from confspec_cli.errors import StorageError, UsageError
from confspec_cli.storage.event_lines import event_of
from confspec_cli.storage.jsonl_log import JsonlLog

_ID = re.compile(r"\d{8}-\d{6}-\d{6}")
_NAME = re.compile(r"\w[\w.-]{0,63}")


class Session:
    """One conversation and its file, which is made when the first run begins.

    `warnings` says which lines of the file could not be read. Only one process can record at a time.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.warnings: list[str] = []
        self._journal = JsonlLog(path, mode=0o600)
        self._conversation = Conversation()
        self._waiting: list[Event] = []  # what happened before the first run
        lines = self._journal.lines()
        self._has_begun = bool(lines)
        for number, line in enumerate(lines, 1):
            self._read(line, f"Line {number} of {path.name}")

    @property
    def id(self) -> str:
        """When the session was made, in universal time: ids sort by it."""
        return self.path.stem

    @property
    def name(self) -> str:
        """The name a person gave it, or nothing."""
        return self._conversation.name

    @property
    def label(self) -> str:
        """What to call it: its name, else its id."""
        return self.name or self.id

    @property
    def system(self) -> str | None:
        """The system prompt of the next run; None where nothing has been said yet."""
        return self._conversation.system

    @property
    def created(self) -> datetime:
        """When the session was made."""
        return datetime.strptime(self.id, "%Y%m%d-%H%M%S-%f").replace(tzinfo=timezone.utc)

    @property
    def used(self) -> datetime:
        """When something was last recorded; for a session without a file, when it was made."""
        seconds = _used(self.path)
        return datetime.fromtimestamp(seconds, timezone.utc) if seconds else self.created

    def turns(self) -> list[Turn]:
        """What was said so far and not undone."""
        return self._conversation.turns

    def messages(self) -> tuple[Message, ...]:
        """The conversation as the models are told it, up to the next thing a person says."""
        return self._conversation.messages()

    def record(self, event: Event) -> None:
        """Take in an event and save it, before anybody is shown it. Text is not saved: the step that holds it will be.

        Raises StorageError; the event is taken in all the same, and saved with the next one if that can be.
        """
        self._conversation.add(event)
        if isinstance(event, TextWritten):
            return
        self._waiting.append(event)
        self._has_begun = self._has_begun or isinstance(event, RunStarted)
        if not self._has_begun:
            return
        try:
            self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as problem:
            raise StorageError(f"{self.path.parent} cannot be made: {problem.strerror}.") from problem
        while self._waiting:
            is_final = isinstance(self._waiting[0], RunStarted | StepCommitted | RunFinished | SessionEvent)
            self._journal.append(to_dict(self._waiting[0]), sync=is_final)
            del self._waiting[0]

    def undo(self, count: int = 1) -> int:
        """Take the last `count` turns out of the conversation; how many there were to take. Raises StorageError."""
        undone = self._conversation.undoable(count)
        if undone:
            self.record(TurnsUndone(undone))
        return undone

    def forget(self, count: int, summary: str = "") -> None:
        """Tell the models no more of the oldest `count` turns, but their summary. Raises StorageError."""
        self.record(TurnsForgotten(count, summary))

    def change_system(self, system: str) -> None:
        """Give the next runs another system prompt, or none. Raises StorageError."""
        self.record(SystemChanged(system))

    def close(self) -> None:
        """Let other processes record; calling it twice is fine."""
        self._journal.close()

    def lock(self) -> None:
        """Keep other processes from recording. Raises StorageError where one already does."""
        self._journal.open()

    def _read(self, line: str, place: str) -> None:
        if not line.strip():
            return
        try:
            event = event_of(line, place)
        except UsageError as problem:
            self.warnings.append(str(problem))
            return
        if event is None:
            self.warnings.append(f"{place} is of a later confspec and left out.")
        else:
            self._conversation.add(event)


class SessionStore:
    """The sessions in a folder, which need not be there yet. Every method may raise StorageError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def new(self, name: str | None = None) -> Session:
        """A session that nothing was said in yet. Raises UsageError for a name that is taken or cannot be one."""
        if name is not None:
            self._check(name)
        session = Session(self.folder / f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}.jsonl")
        if name is not None:
            session.record(SessionNamed(name))
        return session

    def find(self, name: str) -> Session | None:
        """The session of that name or id, if there is one."""
        if _ID.fullmatch(name):
            path = self.folder / f"{name}.jsonl"
            return Session(path) if path in self._paths() else None
        mark = SessionNamed.__name__.encode()
        for path in reversed(self._paths()):
            if mark in _bytes_of(path) and (session := Session(path)).name == name:
                return session
        return None

    def open(self, name: str) -> Session:
        """The session of that name or id. Raises UsageError when there is none."""
        session = self.find(name)
        if session is None:
            raise UsageError(f'There is no session "{name}".', "confspec sessions")
        return session

    def latest(self) -> Session | None:
        """The session that was last recorded in, if there is any."""
        paths = self._paths()
        return Session(max(paths, key=lambda path: (_used(path), path.name))) if paths else None

    def list(self) -> Sequence[Session]:
        """All sessions, the oldest first."""
        return [Session(path) for path in self._paths()]

    def rename(self, session: Session, name: str) -> None:
        """Give a session another name. Raises UsageError for one that is taken or cannot be a name."""
        if name != session.name:
            self._check(name)
            session.record(SessionNamed(name))

    def remove(self, session: Session) -> None:
        """Delete the file of a session, for good."""
        session.lock()
        try:
            session.path.unlink()
        except OSError as problem:
            raise StorageError(f"{session.path} cannot be deleted: {problem.strerror}.") from problem
        finally:
            session.close()

    def _paths(self) -> Sequence[Path]:
        try:
            return sorted(
                path for path in self.folder.iterdir() if path.suffix == ".jsonl" and _ID.fullmatch(path.stem)
            )
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise StorageError(f"{self.folder} cannot be read: {problem.strerror}.") from problem

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name) or _ID.fullmatch(name):
            raise UsageError(
                f'"{name}" cannot be the name of a session: use up to 64 letters, digits, dots, dashes and underscores.'
            )
        if self.find(name) is not None:
            raise UsageError(f'There is a session "{name}" already.', f"confspec sessions show {name}")


def _used(path: Path) -> float:
    """When a file was last written to; 0 for one that is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0


def _bytes_of(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as problem:
        raise StorageError(f"{path} cannot be read: {problem.strerror}.") from problem
