"""The values of a run: who wrote a step, how each model assessed it, and how it was decided."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum


class Author(str, Enum):
    """One of the two models."""

    DRAFT = "draft"
    TARGET = "target"


class Origin(str, Enum):
    """How a committed step came to be."""

    DRAFT = "draft"  # written by the draft; the target was never asked
    ESCALATED = "escalated"  # written by the draft, accepted by the target
    TARGET = "target"  # written by the target
    SALVAGED = "salvaged"  # begun by the draft; the target accepted that much and wrote the rest
    INJECTED = "injected"  # written by neither: it closes the thinking, or asks for the answer


class Cause(str, Enum):
    """What decided about a step in place of the gate."""

    ANSWER_NOW = "answer_now"  # the user wanted the answer
    ESCALATE_STEP = "escalate_step"  # the user wanted the target to verify it
    UNSURE = "unsure"  # the draft stopped in mid-step, before a token it found too unlikely
    TARGET_FROM_HERE = "target_from_here"  # the user wanted the target to write alone
    NOT_PAYING = "not_paying"  # drafting was slower, so the target wrote alone
    TARGET_FIRST = "target_first"  # the gate has the target write the first step
    PROBE = "probe"  # the target wrote it to show how fast it writes
    DRAFT_FULL = "draft_full"  # there was no room left in the context for drafting
    THINK_BUDGET = "think_budget"  # the tokens for thinking were used up
    REPETITION = "repetition"  # the thinking went in circles
    UNCLOSED_THOUGHT = "unclosed_thought"  # the model ended its turn inside its thinking
    FORM = "form"  # the answer was wanted in a form, such as JSON


class DropReason(str, Enum):
    """Why a drafted step was dropped."""

    REJECTED = "rejected"  # by the gate
    REPEATED = "repeated"  # it says what a committed step says
    UNSURE = "unsure"  # the draft stopped in mid-step
    STEERED = "steered"  # the user stopped it


class FinishReason(str, Enum):
    """How a run ended."""

    STOP = "stop"  # the answer is complete
    LENGTH = "length"  # the tokens of the reply were used up
    CONTEXT = "context"  # the context is full
    REPETITION = "repetition"  # the reply went in circles
    INTERRUPTED = "interrupted"
    FAILED = "failed"  # a model or its server failed


@dataclass(frozen=True, slots=True)
class Verdict:
    """One model's answer to "is this step right?".

    `p` is P(yes) / (P(yes) + P(no)) and `label_mass` is P(yes) + P(no), both in 0..1. With little mass on the labels
    the question was not really answered, however clear `p` looks.
    """

    p: float
    label_mass: float


@dataclass(frozen=True, slots=True)
class Likelihood:
    """How likely one model finds the tokens of a step: natural-log probabilities at temperature 1.

    `agreed` counts the tokens that were the model's own first choice. `entropy` is the mean over the tokens, in nats,
    `first_entropy` that of the first.
    """

    mean: float
    lowest: float
    tokens: int
    agreed: int
    entropy: float | None = None
    first_entropy: float | None = None

    @staticmethod
    def of(logprobs: Sequence[float], agreed: int, entropies: Sequence[float | None] = ()) -> Likelihood | None:
        """The summary of a step's tokens; None where there are none, or how likely they are is unknown."""
        if not logprobs or any(math.isnan(logprob) for logprob in logprobs):
            return None
        known = [entropy for entropy in entropies if entropy is not None]
        entropy = math.fsum(known) / len(known) if known and len(known) == len(entropies) else None
        first = entropies[0] if entropies else None
        return Likelihood(math.fsum(logprobs) / len(logprobs), min(logprobs), len(logprobs), agreed, entropy, first)

    @property
    def lowest_p(self) -> float:
        """Probability (0..1) of the least likely token."""
        return math.exp(self.lowest)

    @property
    def mean_p(self) -> float:
        """Geometric mean (0..1) of the tokens' probabilities."""
        return math.exp(self.mean)


@dataclass(frozen=True, slots=True)
class Assessment:
    """How one model assessed a drafted step: its answer when asked (verdict), and its token likelihoods.

    `seconds` were spent on verifying the step, for which `tokens` had to be read, the question included. Before that,
    `prefill_seconds` went into catching up on the `prefill_tokens` that precede the step.
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
    other model wrote. `speculation_accepted` of the `tokens` were proposed by speculation, which was checked in
    `speculation_batches` of `speculation_batch_tokens` in all.
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

    `assessments` are the draft's and, where it was asked, the target's, of the *drafted* text; that is `rejected_text`
    where the target wrote the step again. The deciding `confidence` was compared with `threshold`, unless a `cause`
    decided. The beginning of a salvaged step is `kept`, the draft's part: `kept_tokens` of `tokens` are the draft's.
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
        """That model's assessment of the drafted text, if it was asked."""
        return next((assessment for assessment in self.assessments if assessment.by is by), None)
