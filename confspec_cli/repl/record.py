"""What the REPL asks of a session, and one that nobody keeps, for `--no-log`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from confspec_cli.core.conversation import Conversation, Turn
from confspec_cli.core.events import Event, SystemChanged, TurnsForgotten, TurnsUndone
from confspec_cli.core.messages import Message


class Record(Protocol):
    """What the REPL asks of a session, saved or not."""

    @property
    def id(self) -> str:
        """When it was made; empty where it is not saved."""
        ...

    @property
    def name(self) -> str:
        """The name a person gave it, or nothing."""
        ...

    @property
    def label(self) -> str:
        """What to call it."""
        ...

    @property
    def system(self) -> str | None:
        """The system prompt; None where nobody gave one yet."""
        ...

    def turns(self) -> list[Turn]:
        """What was said and not undone."""
        ...

    def messages(self) -> tuple[Message, ...]:
        """The conversation as the models are told it."""
        ...

    def record(self, event: Event) -> None:
        """Take in an event. Raises StorageError, and has taken it in all the same."""
        ...

    def undo(self, count: int = 1) -> int:
        """Take back the last turns; how many there were to take."""
        ...

    def forget(self, count: int, summary: str = "") -> None:
        """Tell the models no more of the oldest turns, but their summary."""
        ...

    def change_system(self, system: str) -> None:
        """Give the next runs another system prompt."""
        ...

    def close(self) -> None:
        """Nothing more will be recorded."""
        ...


class Unsaved:
    """A conversation in memory. `events` is everything that happened in it."""

    id = ""
    name = ""
    label = "an unsaved conversation"

    def __init__(self, turns: Sequence[Turn] = ()) -> None:
        self.events: list[Event] = [event for turn in turns for event in turn.events]
        self._conversation = Conversation(self.events)

    @property
    def system(self) -> str | None:
        """The system prompt; None where nobody gave one yet."""
        return self._conversation.system

    def turns(self) -> list[Turn]:
        """What was said and not undone."""
        return self._conversation.turns

    def messages(self) -> tuple[Message, ...]:
        """The conversation as the models are told it."""
        return self._conversation.messages()

    def record(self, event: Event) -> None:
        """Remember an event."""
        self.events.append(event)
        self._conversation.add(event)

    def undo(self, count: int = 1) -> int:
        """Take back the last turns; how many there were to take."""
        undone = self._conversation.undoable(count)
        if undone:
            self.record(TurnsUndone(undone))
        return undone

    def forget(self, count: int, summary: str = "") -> None:
        """Tell the models no more of the oldest turns, but their summary."""
        self.record(TurnsForgotten(count, summary))

    def change_system(self, system: str) -> None:
        """Give the next runs another system prompt."""
        self.record(SystemChanged(system))

    def close(self) -> None:
        """Nothing was opened."""
