"""The state of a chat, shared by the prompt, the commands and the runs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import TextIO

from confspec_cli.core.events import Event, RunFinished, Warned
from confspec_cli.core.messages import Prompt
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.stats import RunStats
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import ConfspecError, StorageError, UsageError
from confspec_cli.render.notices import Notices
from confspec_cli.render.options import Show
from confspec_cli.repl import status
from confspec_cli.repl.prompt_line import Desk
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import RunOptions
from confspec_cli.storage.session import Session
from confspec_cli.storage.session_store import SessionStore


@dataclass(slots=True)
class Chat:
    """The models, the conversation and the settings. `keyboard` is where live keys are read.

    `store` is None where sessions cannot be saved.
    """

    pool: ModelPool
    store: SessionStore | None
    record: Session
    screen: Notices
    desk: Desk
    keyboard: TextIO
    options: RunOptions = field(default_factory=RunOptions)
    show: Show = field(default_factory=Show)
    hides_steps: bool = False
    attached: list[str] = field(default_factory=list)  # files sent along with the next message
    pending: str = ""  # the text the prompt starts with next time
    typed: str = ""  # and after it, what was typed while the models were working
    editing: bool = False  # the next message replaces the last turn
    leaving: bool = False
    stats: RunStats = field(default_factory=RunStats)
    kind: TaskName | None = None  # of work, told from the first question where no setting says it
    way: tuple[object, ...] = ()  # how the run before was written: a line above a run tells where this changes
    _use: status.Usage | None = None
    _config: RunConfig | None = None
    _drafting: AdaptiveDrafting | None = None
    _is_told: bool = False

    @property
    def config(self) -> RunConfig:
        """The settings of the next run; a random seed stays the same until something changes."""
        if self._config is None:
            task = self.options.task or self.kind
            self._config = self.pool.config(replace(self.options, task=task))
        return self._config

    @property
    def drafting(self) -> AdaptiveDrafting:
        """Whether drafting has been worth it so far; forgotten when the options change."""
        if self._drafting is None:
            self._drafting = adaptive_drafting(self.config)
        return self._drafting

    @property
    def use(self) -> status.Usage:
        """How full the context is."""
        if self._use is None:
            messages = self.record.messages()
            is_begun = any(message.role == "user" for message in messages)
            self._use = status.usage(Prompt(messages) if is_begun else None, self.pool.engines)
        return self._use

    def changed(self) -> None:
        """Forget what was computed from the conversation or the settings, because they changed."""
        self._use = self._config = None

    def change_options(self, options: RunOptions) -> None:
        """Change models or settings. Raises, and changes nothing, when that is impossible."""
        self.pool.config(options)
        self.pool.switch(options)
        self.options = options
        self._drafting = None
        self.changed()

    def heed(self, question: str) -> None:
        """Tell the kind of work from the first question of a conversation."""
        if not any(message.role == "user" for message in self.record.messages()):
            self.kind = self.pool.for_question(self.options, question).task
            self._config = self._drafting = None

    def keep(self, event: Event) -> Warned | None:
        """Save an event; if that fails, return a warning, but only once."""
        try:
            self.record.record(event)
        except StorageError as error:
            if not self._is_told:
                self._is_told = True
                return Warned(f"this chat is no longer being saved: {error}")
        return None

    def count(self, event: Event) -> None:
        """Add an event to the statistics of the chat; the times of its runs add up."""
        if isinstance(event, RunFinished):
            event = replace(event, seconds=event.seconds + (self.stats.finished_seconds or 0.0))
        self.stats.add(event)

    def begin(self, record: Session) -> None:
        """Switch to another session."""
        if record is not self.record:
            self.record.close()
        self.record = record
        self.stats = RunStats()
        for turn in record.turns():
            for event in turn.events:
                self.count(event)
        self.attached, self.pending, self.editing, self._is_told = [], "", False, False
        self.kind = None
        self.changed()

    def shelf(self) -> SessionStore:
        """Where sessions are saved. Raises UsageError where there is no such folder."""
        if self.store is None:
            raise UsageError("There is no folder to save sessions in.", "export CONFSPEC_SESSIONS=/path/to/folder")
        return self.store

    def toolbar(self, width: int) -> str:
        """The status line."""
        try:
            where = status.place(self.pool.engines)
            said = status.items(self.pool.pair, self.config, self.use, self.stats, where)
        except ConfspecError as error:  # for example, a model that could not be reloaded
            said = [str(error), error.hint]
        return status.fit(said, width, self.screen.dot)

    def words(self, kind: str) -> Sequence[str]:
        """The completions of an argument of this kind."""
        try:
            match kind:
                case "mode":
                    return [mode.value for mode in Mode]
                case "session":
                    return [session.label for session in self.store.list()] if self.store else []
                case "pair" | "model":
                    return self.pool.names(kind)
        except ConfspecError:  # an unreadable file offers no completions
            return []
        return kind.split("|")
