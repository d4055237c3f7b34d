"""What the REPL asks of the models in play, and what a person may wish of them. Knows no file and no library."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from confspec_cli.core.engine import Engine
from confspec_cli.core.messages import Message, Prompt, Speculation
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author


@dataclass(frozen=True, slots=True)
class RunOptions:
    """What a person asked for; None is the pair's own, or the built-in one. Lengths are in tokens."""

    pair: str | None = None
    draft: str | None = None
    target: str | None = None
    mode: Mode = Mode.CONFSPEC
    accept: float | None = None
    reject: float | None = None
    min_token_prob: float | None = None
    always_draft: bool = False
    max_tokens: int | None = None
    max_step_tokens: int | None = None
    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int | None = None
    speculate: Speculation = Speculation.AUTO
    task: TaskName | None = None
    think: bool | None = None
    think_budget: int | None = None


class ModelPool(Protocol):
    """The models of a conversation, which may change while it goes on."""

    @property
    def pair(self) -> str:
        """What to call the models together."""
        ...

    @property
    def engines(self) -> Mapping[Author, Engine]:
        """The engines the mode needs, the target last. Raises EngineError where there are none."""
        ...

    def recast(self, run_options: RunOptions) -> None:
        """Load what the wishes ask for and is not loaded; on an error the models are those of before."""
        ...

    def config(self, run_options: RunOptions) -> RunConfig:
        """The rules of the next run. Raises UsageError for wishes that cannot be."""
        ...

    def prompt(self, question: str, system: str | None, before: tuple[Message, ...]) -> Prompt:
        """What the models read. Raises ContextFull where it does not fit."""
        ...

    def stopping(self) -> AbstractContextManager[list[int]]:
        """While this holds, Ctrl-C and TERM stop the models instead of raising. Yields the signals that came."""
        ...

    def names(self, kind: str) -> Sequence[str]:
        """What can be asked for by name: every `pair`, every `model`."""
        ...
