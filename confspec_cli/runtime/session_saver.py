"""Which session a run belongs to, and saving it there while it goes on; what cannot be saved never stops a run."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from confspec_cli.core.conversation import Turn
from confspec_cli.core.events import Event, RunStarted, Warned
from confspec_cli.core.messages import Message
from confspec_cli.core.trace import Step
from confspec_cli.errors import ConfigError, StorageError, UsageError
from confspec_cli.runtime.folders import sessions_folder
from confspec_cli.storage.session import SavedSession
from confspec_cli.storage.session_store import SessionStore


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """Which conversation a run belongs to: the one last used, one by name, or a new one; and whether it is saved."""

    resume: bool = False
    session: str | None = None
    no_log: bool = False

    @property
    def names_one(self) -> bool:
        """Whether a certain conversation is asked for."""
        return self.resume or self.session is not None


class Saving:
    """The session of a run, or none, and what stands in the way of saving it.

    Entered, it keeps a session that was `claimed` by name from other processes until it is left; raises StorageError
    where one of them has it already.
    """

    def __init__(
        self, session: SavedSession | None, is_saved: bool, problem: str = "", claimed: SessionStore | None = None
    ) -> None:
        self.session = session
        self._is_saved = is_saved
        self._problem = problem
        self._claimed = claimed
        self.unfinished: Turn | None = None

    def go_on(self) -> Turn:
        """The last turn, which the run is to finish. Raises UsageError where there is none, or it is finished."""
        turns = self.session.turns() if self.session else []
        if not turns or not turns[-1].is_unfinished:
            raise UsageError("No question given, and no unfinished reply to resume.", 'confspec ask -c "And by hand?"')
        self.unfinished = turns[-1]
        return self.unfinished

    @property
    def earlier(self) -> tuple[Step, ...] | None:
        """The steps the run begins with, where it goes on."""
        return self.unfinished.steps if self.unfinished else None

    @property
    def can_go_on(self) -> bool:
        """Whether what was saved of the run can be gone on from."""
        turns = self.session.turns() if self.session and self._is_saved else []
        return bool(turns) and turns[-1].is_unfinished and bool(turns[-1].steps)

    def __enter__(self) -> Saving:
        if self.session and self._claimed:
            self._claimed.claim(self.session)
        return self

    def __exit__(self, *_: object) -> None:
        if self.session:
            self.session.close()

    @property
    def messages(self) -> tuple[Message, ...]:
        """What was said before the run."""
        return self.session.messages(besides=int(self.unfinished is not None)) if self.session else ()

    def over(self, events: Iterable[Event]) -> Iterator[Event]:
        """The same events, each saved before it is passed on; one warning among them if that cannot be."""
        for event in events:
            warning = self._save(event)
            if isinstance(event, RunStarted):
                yield event
                yield from map(Warned, self.session.warnings if self.session else ())
            yield from [warning] if warning else []
            if not isinstance(event, RunStarted):
                yield event

    def _save(self, event: Event) -> Warned | None:
        if not self._is_saved:
            return None
        problem = self._problem
        if self.session and not problem:
            try:
                self.session.record(event)
            except StorageError as error:
                problem = str(error)
        if not problem:
            return None
        self._is_saved = False
        return Warned(f"this run is not being saved: {problem}")


def saving(options: SessionOptions, is_wanted: bool) -> Saving:
    """The session asked for, else a new one; `is_wanted` is whether runs are saved where nobody says otherwise.

    Raises UsageError where there is no session to continue.
    """
    is_saved = not options.no_log and (is_wanted or options.names_one)
    if not is_saved and not options.names_one:
        return Saving(None, is_saved=False)
    try:
        store = SessionStore(sessions_folder(os.environ))
        session = session_for(store, options, is_saved, "ask")
        return Saving(session, is_saved, claimed=store if is_saved and options.names_one else None)
    except (ConfigError, StorageError) as error:
        if options.names_one:
            raise
        return Saving(None, is_saved, str(error))


def session_for(store: SessionStore, options: SessionOptions, is_saved: bool, command: str) -> SavedSession | None:
    """The session asked for, else a new one; none for a name that is not there yet where nothing is saved.

    Raises UsageError where there is no session to continue.
    """
    if options.resume and options.session:
        raise UsageError("Use either --continue or --session, not both.", f"confspec {command} --session NAME")
    if options.session is not None:
        return store.find(options.session) or (store.new(options.session) if is_saved else None)
    if not options.resume:
        return store.new()
    session = store.latest()
    if session is None:
        question = ' "What is 17 times 23?"' if command == "ask" else ""
        raise UsageError("No saved session yet.", f"confspec {command}{question}")
    return session
