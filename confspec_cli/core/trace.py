"""The values of a run: who wrote a step, what each model made of it, and the steps committed so far.

Knows no model, no threshold and no clock.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from enum import Enum


class Author(str, Enum):
    """One of the two models."""

    DRAFT = "draft"
    TARGET = "target"


class Origin(str, Enum):
    """How a committed step came to be."""

    DRAFT = "draft"  # written by the draft, the target never asked
    ESCALATED = "escalated"  # written by the draft, judged and accepted by the target
    TARGET = "target"  # written by the target
    SALVAGED = "salvaged"  # begun by the draft, judged so far by the target, and written to its end by it
    INJECTED = "injected"  # written by neither: it closes the thinking, or asks for the answer


class Cause(str, Enum):
    """What other than the gate decided about a step."""

    ANSWER_NOW = "answer_now"  # a person wanted the answer
    ESCALATE_STEP = "escalate_step"  # a person wanted the target's judgement
    UNSURE = "unsure"  # the draft stopped in mid-step, before a token it found too unlikely
    TARGET_FROM_HERE = "target_from_here"  # a person wanted the target to write alone
    NOT_PAYING = "not_paying"  # drafting did not pay, so the target wrote alone
    THINK_BUDGET = "think_budget"  # the tokens for thinking were used up
    UNCLOSED_THOUGHT = "unclosed_thought"  # the model ended its turn inside its thinking
    FORM = "form"  # the answer was wanted in a form, such as JSON


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model's answer to "is this step right?".

    `p` is P(yes) / (P(yes) + P(no)) and `certainty` is P(yes) + P(no), the mass on the labels, both in 0..1.
    A verdict with little certainty was not really given, however sharp its `p`.
    """

    p: float
    label_mass: float


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely one model finds the tokens of a step: natural-log probabilities at temperature 1.

    `agreed` counts the tokens that were the model's own first choice, `entropy` is the mean of the choices, in nats.
    """

    mean: float
    lowest: float
    tokens: int
    agreed: int
    entropy: float | None = None

    @staticmethod
    def of(logprobs: Sequence[float], agreed: int, entropies: Sequence[float] = ()) -> Likelihood | None:
        """Summarise what is known of each token; None for a step of no tokens."""
        if not logprobs:
            return None
        entropy = math.fsum(entropies) / len(entropies) if entropies else None
        return Likelihood(math.fsum(logprobs) / len(logprobs), min(logprobs), len(logprobs), agreed, entropy)

    @property
    def lowest_p(self) -> float:
        """Probability (0..1) of the least likely token."""
        return math.exp(self.lowest)


@dataclass(frozen=True, slots=True)
class Assessment:
    """What one model made of a drafted step, by asking (verdict) and by reading (likelihood).

    `prefill_seconds` went into catching up on the `prefill_tokens` that stand before the step, `seconds` into judging
    the step itself, for which `tokens` had to be read, those of the question among them.
    """

    by: Author
    verdict: Verdict | None
    likelihood: Likelihood | None
    seconds: float
    prefill_seconds: float = 0.0
    tokens: int = 0
    prefill_tokens: int = 0


@dataclass(frozen=True, slots=True)
class WrittenStep:
    """A step as one model wrote it. `ended`: the model closed its turn with it. `unsure`: it stopped in mid-step.

    `prefill_seconds`, part of `seconds`, is the time to the first token: catching up on the `prefill_tokens` that the
    other model wrote. `guessed` of the `tokens` were guessed ahead, and held; guesses were checked in `batches`, of
    `batched` tokens together.
    """

    author: Author
    text: str
    tokens: int
    ended: bool
    likelihood: Likelihood | None
    seconds: float
    prefill_seconds: float
    prefill_tokens: int = 0
    unsure: bool = False
    speculation_accepted: int = 0
    speculation_batches: int = 0
    speculation_batch_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    """A committed step, with the whole record of how it was decided.

    `readings` holds what the draft and, where asked, the target made of the *drafted* text, which is `rejected_text`
    when the target wrote the step again. `threshold` is the bound the deciding signal was held against. `cause` is what
    decided in place of the gate, if anything did. Of a shared step `kept` is the draft's part, its beginning, and
    `kept_tokens` of `tokens` are the draft's.
    """

    n: int
    origin: Origin
    text: str
    tokens: int
    ended: bool
    seconds: float
    assessments: tuple[Assessment, ...] = ()
    confidence: float | None = None
    threshold: float | None = None
    rejected_text: str | None = None
    cause: Cause | None = None
    kept: str = ""
    kept_tokens: int = 0

    def assessment(self, by: Author) -> Assessment | None:
        """What that model made of the drafted text, if it was asked."""
        return next((assessment for assessment in self.assessments if assessment.by is by), None)


@dataclass(slots=True)
class Trace:
    """The committed steps of one reply, append-only."""

    _steps: list[Step] = field(default_factory=list)

    def append(self, step: Step) -> None:
        """Commit a step."""
        self._steps.append(step)

    def __iter__(self) -> Iterator[Step]:
        return iter(self._steps)

    def __len__(self) -> int:
        return len(self._steps)

    @property
    def segments(self) -> tuple[str, ...]:
        """What each model wrote at a time, in order: the text of each step, of a shared one both its parts."""
        parts = (part for step in self._steps for part in (step.kept, step.text[len(step.kept) :]))
        return tuple(part for part in parts if part)

    @property
    def text(self) -> str:
        """The reply so far."""
        return "".join(self.segments)

    @property
    def tokens(self) -> int:
        """Tokens committed so far, each counted by its author's tokenizer."""
        return sum(step.tokens for step in self._steps)

    def has_said(self, text: str) -> bool:
        """Whether a committed step says the same, whitespace aside."""
        said = " ".join(text.split())
        return bool(said) and any(" ".join(step.text.split()) == said for step in self._steps)
