"""Conversations, and the files they are kept in: one event a line, each on the disk the moment it has happened.

Nothing is ever rewritten: undoing, renaming and forgetting are events too. A file that was damaged is read as far as
it goes. Knows one file; what the events amount to is a Conversation's affair.
"""

from __future__ import annotations

import contextlib
from collections.abc import Sequence
from datetime import datetime, timezone
from pathlib import Path

from confspec_cli.core.conversation import Conversation, Turn
from confspec_cli.core.events import (
    Event,
    RunFinished,
    RunStarted,
    SessionEvent,
    StepCommitted,
    SystemChanged,
    TextWritten,
    TurnsForgotten,
    TurnsUndone,
    to_dict,
)
from confspec_cli.core.messages import Message
from confspec_cli.errors import StorageError, UsageError
from confspec_cli.files import make_private_folder
from confspec_cli.storage.event_lines import event_of
from confspec_cli.storage.jsonl_log import JsonlLog


class Session:
    """A conversation in memory, for `--no-log`: nobody keeps it. `events` is everything that happened in it here."""

    def __init__(self, turns: Sequence[Turn] = ()) -> None:
        self.events: list[Event] = [event for turn in turns for event in turn.events]
        self._conversation = Conversation(self.events)

    @property
    def id(self) -> str:
        """What it can be found by; empty where it is not saved."""
        return ""

    @property
    def name(self) -> str:
        """The name a person gave it, or nothing."""
        return self._conversation.name

    @property
    def label(self) -> str:
        """What to call it: its name, else its id."""
        return self.name or self.id or "an unsaved conversation"

    @property
    def system(self) -> str | None:
        """The system prompt of the next run; None where nothing has been said yet."""
        return self._conversation.system

    @property
    def title(self) -> str:
        """How it begins: the first thing the user said, on one line."""
        return " ".join(next((turn.user for turn in self.turns()), "").split())

    def mentions(self, words: Sequence[str]) -> bool:
        """Whether all words stand in its name, questions and replies; upper and lower case are the same."""
        said = [self.name, *(text for turn in self.turns() for text in (turn.user, turn.reply))]
        whole = "\n".join(said).casefold()
        return all(word.casefold() in whole for word in words)

    def turns(self) -> list[Turn]:
        """What was said so far and not undone."""
        return self._conversation.turns

    def messages(self, besides: int = 0) -> tuple[Message, ...]:
        """The conversation as the models are told it, up to the next thing a person says; see Conversation."""
        return self._conversation.messages(besides)

    def record(self, event: Event) -> None:
        """Take in an event. Raises StorageError where it cannot be saved; it is taken in all the same."""
        self.events.append(event)
        self._conversation.add(event)

    def undo(self, count: int = 1) -> int:
        """Take the last `count` turns out of the conversation; how many there were to take. Raises StorageError."""
        undone = self._conversation.undoable(count)
        if undone:
            self.record(TurnsUndone(undone))
        return undone

    def forget(self, count: int, summary: str = "") -> None:
        """Leave the oldest `count` turns out of what the models are told, but for a summary. Raises StorageError."""
        self.record(TurnsForgotten(count, summary))

    def change_system(self, system: str) -> None:
        """Give the next runs another system prompt, or none. Raises StorageError."""
        self.record(SystemChanged(system))

    def close(self) -> None:
        """Nothing more will be recorded; calling it twice is fine."""


class SavedSession(Session):
    """A conversation and its file, which is made when the first run begins.

    `warnings` says which lines of the file could not be read. Only one process can record at a time.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.warnings: list[str] = []
        self._log = JsonlLog(path, mode=0o600)
        lines = self._log.lines()
        self._has_begun = bool(lines)
        for number, line in enumerate(lines, 1):
            self._read(line, f"Line {number} of {path.name}")

    @property
    def is_foreign(self) -> bool:
        """Whether the file holds something else than a session."""
        return self._log.is_foreign

    @property
    def id(self) -> str:
        """When the session was made, in universal time: ids sort by it."""
        return self.path.stem

    @property
    def created(self) -> datetime:
        """When the session was made."""
        return datetime.strptime(self.id, "%Y%m%d-%H%M%S-%f").replace(tzinfo=timezone.utc)

    @property
    def used(self) -> datetime:
        """When something was last recorded; for a session without a file, when it was made."""
        try:
            return datetime.fromtimestamp(self.path.stat().st_mtime, timezone.utc)
        except OSError:
            return self.created

    def record(self, event: Event) -> None:
        """Take in an event and save it, before anybody is shown it. Text is not saved: the step that holds it will be.

        Raises StorageError; the event is taken in all the same, and saved with the next one if that can be.
        """
        if not isinstance(event, TextWritten):
            self.events.append(event)
        self._conversation.add(event)
        self._has_begun = self._has_begun or isinstance(event, RunStarted)
        if self._has_begun:
            self._save()

    def lock(self) -> None:
        """Keep other processes from recording. Raises StorageError where one already does.

        A session that has no file yet gets one, so that others find its name; unless it begins, `close` removes it.
        """
        self._save()

    def close(self) -> None:
        """Let other processes record; calling it twice is fine."""
        if not self._has_begun and self._log.is_open:
            with contextlib.suppress(OSError):
                self.path.unlink()
        self._log.close()

    def _save(self) -> None:
        """Write every event that is not on the disk yet."""
        if not self._log.is_open:  # it is asked for every token
            try:
                make_private_folder(self.path.parent)
            except OSError as problem:
                raise StorageError(f"{self.path.parent} cannot be created: {problem.strerror}.") from problem
            self._log.open()
        for event in self.events[self._log.appended :]:
            is_final = isinstance(event, RunStarted | StepCommitted | RunFinished | SessionEvent)
            self._log.append(to_dict(event), sync=is_final)

    def _read(self, line: str, place: str) -> None:
        if not line.strip():
            return
        try:
            event = event_of(line, place)
        except UsageError as problem:
            self.warnings.append(str(problem))
            return
        if event is None:
            self.warnings.append(f"{place} was written by a later confspec and was skipped.")
        else:
            self._conversation.add(event)
