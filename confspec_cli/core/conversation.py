"""A conversation: the events of a session folded into turns, and into the messages the models are given.

A turn that was undone is still in the events, but no longer in the conversation.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

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
)
from confspec_cli.core.grading import final_answer
from confspec_cli.core.messages import Message
from confspec_cli.core.prompts import SUMMARISE
from confspec_cli.core.stats import RunStats, fold
from confspec_cli.core.thinking import after_thinking
from confspec_cli.core.trace import FinishReason, Step


@dataclass(frozen=True, slots=True)
class Turn:
    """A message of the user's and its reply: the events of one run, from its RunStarted to its RunFinished.

    `cut_off`: the run ended before it could say so, and its last event is what it had come to by then.
    """

    events: tuple[Event, ...]
    started: RunStarted
    finished: RunFinished
    cut_off: bool

    @property
    def user(self) -> str:
        """The user's message."""
        return self.started.prompt

    @property
    def system(self) -> str:
        """The system prompt the run had, or nothing."""
        return self.started.system

    @property
    def reply(self) -> str:
        """What was said after thinking, the beginning of an unfinished step included."""
        return self.finished.reply

    @property
    def reason(self) -> FinishReason:
        """How the run ended, as in RunFinished; one that was cut off counts as interrupted."""
        return self.finished.reason

    @property
    def is_unfinished(self) -> bool:
        """Whether the run was stopped or failed, so that another one can go on from its steps."""
        return self.cut_off or self.reason in (FinishReason.INTERRUPTED, FinishReason.FAILED)

    @property
    def steps(self) -> tuple[Step, ...]:
        """The committed steps."""
        return tuple(event.step for event in self.events if isinstance(event, StepCommitted))

    @property
    def stats(self) -> RunStats:
        """What the run took."""
        return fold(self.events)


class Conversation:
    """The turns so far. `name` is empty, and `system` None, until somebody says otherwise."""

    def __init__(self, events: Iterable[Event] = ()) -> None:
        self.name = ""
        self.system: str | None = None
        self.summary = ""
        self.forgotten = 0  # the oldest turns, which the models are no longer told of
        self._turns: list[Turn] = []
        self._run: list[Event] = []
        for event in events:
            self.add(event)

    def add(self, event: Event) -> None:
        """Take in the next event. Text is left out, as the steps have it."""
        if isinstance(event, RunStarted | SessionEvent):
            self._end_run()
        match event:
            case RunStarted(system=system):
                if event.continues is not None:
                    del self._turns[len(self._turns) - self.undoable(1) :]
                self.system = system
                self._run = [event]
            case SessionNamed(name=name):
                self.name = name
            case SystemChanged(system=system):
                self.system = system
            case TurnsUndone(count=count):
                del self._turns[len(self._turns) - self.undoable(count) :]
            case TurnsForgotten(count=count, summary=summary):
                self.forgotten = min(self.forgotten + max(0, count), len(self._turns))
                self.summary = summary or self.summary
            case TextWritten():
                pass
            case _ if self._run:
                self._run.append(event)
                if isinstance(event, RunFinished):
                    self._end_run()

    @property
    def turns(self) -> list[Turn]:
        """The turns that were not undone; one that is still going on counts as cut off."""
        return [*self._turns, _turn(self._run)] if self._run else list(self._turns)

    def undoable(self, count: int) -> int:
        """How many of the last `count` turns can be undone; what the models have forgotten cannot."""
        return max(0, min(count, len(self.turns) - self.forgotten))

    def messages(self, besides: int = 0) -> tuple[Message, ...]:
        """The conversation as the models are given it, up to the user's next message, or to the last turn but so many.

        A reply is told without its thinking and otherwise as it was committed, so that a cache still knows it.
        """
        messages = [Message("system", self.system)] if self.system else []
        if self.summary:
            messages += [Message("user", SUMMARISE), Message("assistant", self.summary)]
        turns = self.turns
        for turn in turns[self.forgotten : len(turns) - besides]:
            messages += [Message("user", turn.user), Message("assistant", turn.reply)]
        return tuple(messages)

    def _end_run(self) -> None:
        if self._run:
            self._turns.append(_turn(self._run))
            self._run = []


def _turn(run: list[Event]) -> Turn:
    """The turn of a run; what a run that was cut off had come to is put together from its steps."""
    started, last = run[0], run[-1]
    assert isinstance(started, RunStarted)
    if isinstance(last, RunFinished):
        return Turn(tuple(run), started, last, cut_off=False)
    text = "".join(event.step.text for event in run if isinstance(event, StepCommitted))
    reply = after_thinking(text, bool(started.parameters.get("think")))
    last = RunFinished(FinishReason.INTERRUPTED, reply, "", final_answer(reply), fold(run).seconds)
    return Turn((*run, last), started, last, cut_off=True)
