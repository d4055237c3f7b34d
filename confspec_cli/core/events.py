"""What happened, one frozen class per event: the only thing that passes from the core to the rest.

Events are past tense, JSON-ready and additive: within a schema version fields may be added, never renamed or removed.
Seconds are durations, measured with the clock that the run was given.
"""

from __future__ import annotations

import typing
from dataclasses import dataclass, field
from typing import Any

from confspec_cli.core.frontier import ChoiceReason
from confspec_cli.core.gate import Decision
from confspec_cli.core.legacy_events import upgrade
from confspec_cli.core.messages import ModelCard
from confspec_cli.core.plain_data import LaterValueError, plain, revived
from confspec_cli.core.price import Bill
from confspec_cli.core.trace import Assessment, Author, Cause, DropReason, FinishReason, Step, WrittenStep

SCHEMA_VERSION = 2


@dataclass(frozen=True, slots=True)
class RunStarted:
    """A run began. `parameters` are all settings that shape it, the seed among them.

    `continues`: it goes on from so many steps of the run before it, which it replaces; these are committed again.
    """

    prompt: str
    system: str
    mode: str
    models: dict[str, ModelCard]
    parameters: dict[str, str | int | float | bool | None]
    schema_version: int = SCHEMA_VERSION
    continues: int | None = None


@dataclass(frozen=True, slots=True)
class GateChosen:
    """The gate was chosen among those that were measured for this pair and kind of work.

    `gate` is its name, `target` where the target writes alone. An answer is predicted to take `seconds`, and the
    target alone `alone`. `is_measured`: by what tokens have cost on this machine, and not by the sizes of the models.
    """

    gate: str
    seconds: float
    alone: float
    reason: ChoiceReason
    is_measured: bool


@dataclass(frozen=True, slots=True)
class StepOpened:
    """A model began to write step `n`. `provisional`: it may yet be rejected."""

    n: int
    author: Author
    provisional: bool


@dataclass(frozen=True, slots=True)
class TextWritten:
    """A piece of step `n` was written."""

    n: int
    author: Author
    text: str


@dataclass(frozen=True, slots=True)
class StepWritten:
    """Step `n` was written to its end, and not yet judged."""

    n: int
    written_step: WrittenStep


@dataclass(frozen=True, slots=True)
class StepJudged:
    """A model assessed the drafted step `n`. `cause`: what decided in place of the gate, if anything did."""

    n: int
    assessment: Assessment
    decision: Decision
    confidence: float | None
    threshold: float | None
    cause: Cause | None = None


@dataclass(frozen=True, slots=True)
class StepDropped:
    """The drafted step `n` was dropped.

    `reason`: `rejected` by the gate, `repeated` (it says what a committed step says), `unsure` (the draft stopped in
    mid-step) or `steered` (by the user). Unless it was steered, the target writes it again, on from what is `kept`.
    """

    n: int
    written_step: WrittenStep
    reason: DropReason
    kept: str = ""
    kept_tokens: int = 0


@dataclass(frozen=True, slots=True)
class StepCommitted:
    """A step became part of the reply, for good."""

    step: Step


@dataclass(frozen=True, slots=True)
class DraftingSwitched:
    """From step `n` on the draft writes steps, or the target writes alone.

    `gain` is what drafting has saved in this run, as a share of the target's time for it; negative if it cost.
    """

    n: int
    on: bool
    gain: float


@dataclass(frozen=True, slots=True)
class StepPrefetched:
    """Of version 0.1 alone, kept so that its records can be read: the draft began step `n` while the target verified.

    `tokens` were written, of which `used` became part of it; then it took `waited` seconds until the draft had stopped.
    """

    n: int
    tokens: int
    used: int
    waited: float


@dataclass(frozen=True, slots=True)
class Warned:
    """Something the user should know; the run goes on."""

    message: str


@dataclass(frozen=True, slots=True)
class RunFinished:
    """The run ended.

    `reason`: `stop` (the answer is complete), `length` (the tokens are used up), `context` (the context is full),
    `repetition` (the reply went in circles), `interrupted` or `failed`. `reply` is the text after any thinking,
    `partial` the beginning of an unfinished step, of which `partial_author` wrote `partial_tokens`. `answer` is the
    final answer where one was recognised, `extract` what a program wants: the last code block, or the final answer.
    `bills` are what the models that have a price charged, by author; `target_alone` is about what the target alone
    would have charged.
    """

    reason: FinishReason
    reply: str
    partial: str
    answer: str | None
    seconds: float
    extract: str | None = None
    partial_tokens: int = 0
    partial_author: Author | None = None
    bills: dict[str, Bill] = field(default_factory=dict)
    target_alone: Bill | None = None


@dataclass(frozen=True, slots=True)
class SessionNamed:
    """The user gave the session a name."""

    name: str


@dataclass(frozen=True, slots=True)
class SystemChanged:
    """From the next run on, the conversation has another system prompt, or none."""

    system: str


@dataclass(frozen=True, slots=True)
class TurnsUndone:
    """The last `count` turns no longer belong to the conversation."""

    count: int


@dataclass(frozen=True, slots=True)
class TurnsForgotten:
    """The models no longer see the oldest `count` turns that they still saw; `summary` stands in their place."""

    count: int
    summary: str = ""


SessionEvent = SessionNamed | SystemChanged | TurnsUndone | TurnsForgotten
"""What happens between the runs of a session."""

Event = (
    RunStarted
    | GateChosen
    | StepOpened
    | TextWritten
    | StepWritten
    | StepJudged
    | StepDropped
    | StepCommitted
    | DraftingSwitched
    | StepPrefetched
    | Warned
    | RunFinished
    | SessionEvent
)
_BY_NAME: dict[str, type] = {cls.__name__: cls for cls in typing.get_args(Event)}


def to_dict(event: Event) -> dict[str, Any]:
    """A JSON-ready dictionary, the event's name under `event`."""
    return {"event": type(event).__name__, **plain(event)}


def from_dict(record: dict[str, Any]) -> Event | None:
    """The event a dictionary stands for; None for an event of a later version, or one that turns on a word of one.

    Unknown fields are dropped, as later versions may add them. Raises ValueError when fields are missing or wrong.
    """
    record = upgrade(record)
    cls = _BY_NAME.get(str(record["event"]))
    if cls is None:
        return None
    try:
        return typing.cast("Event", revived(cls, record))
    except LaterValueError:
        return None
    except (KeyError, TypeError, AttributeError, OverflowError) as problem:
        raise ValueError(f"it is no {cls.__name__} as confspec writes it") from problem
