"""What an assessment decides: accept, escalate or reject. Pure arithmetic, so that saved runs can be decided anew.

Source: ConfSpec (arXiv:2602.18447), confidence gating; the likelihood signal is ours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

from confspec_cli.core.messages import Token
from confspec_cli.core.real import Real
from confspec_cli.core.trace import Assessment, Author

_EDGE = 1e-6  # a verdict's p is kept this far from 0 and 1
_STEEP = 700.0  # log-odds beyond which exp overflows


class Signal(str, Enum):
    """The confidence a gate looks at; all are probabilities in 0..1."""

    VERDICT = "verdict"  # the answer to "is this step right?" (the paper's)
    LIKELIHOOD = "likelihood"  # the probability of the least likely token of the step
    MEAN_LIKELIHOOD = "mean_likelihood"  # the probability of its tokens, their geometric mean
    COMBINED = "combined"  # all three, weighed as calibration found best

    @property
    def is_asked_for(self) -> bool:
        """Whether a model must be asked about a step."""
        return self in (Signal.VERDICT, Signal.COMBINED)

    @property
    def is_read(self) -> bool:
        """Whether the likelihood of a step's tokens must be known."""
        return self is not Signal.VERDICT


class Decision(str, Enum):
    """What happens to a drafted step."""

    ACCEPT = "accept"
    ESCALATE = "escalate"
    REJECT = "reject"


_ZERO = Real(0.0)


@dataclass(frozen=True, slots=True)
class Weights:
    """A logistic regression: how likely a step is to be right, from one model's assessment of it.

    `verdict` weighs the log-odds of the verdict's p, `lowest` and `mean` the log-probabilities of the tokens.
    """

    bias: Real = _ZERO
    verdict: Real = _ZERO
    lowest: Real = _ZERO
    mean: Real = _ZERO


@dataclass(frozen=True, slots=True)
class Combined:
    """The weights for the assessments of each model."""

    draft: Weights = Weights()
    target: Weights = Weights()


@dataclass(frozen=True, slots=True)
class Gate:
    """The thresholds of a pair, all in 0..1.

    The draft's confidence is final at or above `accept` and at or below `reject`. In between the target is asked, and
    the step stands if its confidence is at or above `target`. A verdict with less than `min_label_mass` on its labels
    decides nothing: the step escalates. `accept` 0 accepts every step and `reject` 1 rejects every step, whatever the
    confidence; with `accept` 1 the target is asked about every step that is not rejected. The draft stops in mid-step
    before a token less likely than `min_token_prob`, and the target takes over; with 0 it never stops. If
    `target_first`, the target writes the first step of a reply. `worth_drafting` is false where drafting was found to
    take longer than it saves. `weights` are for the combined signal alone.
    """

    signal: Signal = Signal.VERDICT
    accept: float = 0.95
    reject: float = 0.0
    target: float = 0.5
    min_label_mass: float = 0.5
    min_token_prob: float = 0.0
    target_first: bool = False
    worth_drafting: bool = True
    weights: Combined = Combined()

    @property
    def is_open(self) -> bool:
        """Whether the confidence matters at all."""
        return self.accept > 0 and self.reject < 1


def confidence_of(assessment: Assessment, gate: Gate) -> float | None:
    """The number in 0..1 that a gate looks at; None where the assessment lacks it."""
    if gate.signal is Signal.VERDICT:
        return assessment.verdict.p if assessment.verdict else None
    if gate.signal is Signal.LIKELIHOOD:
        return assessment.likelihood.lowest_p if assessment.likelihood else None
    if gate.signal is Signal.MEAN_LIKELIHOOD:
        return assessment.likelihood.mean_p if assessment.likelihood else None
    weights = gate.weights.draft if assessment.by is Author.DRAFT else gate.weights.target
    known = features(assessment)
    return combined(known, weights) if known else None


def features(assessment: Assessment) -> tuple[float, float, float] | None:
    """What the regression looks at, in the order of the weights; None where the assessment lacks a part of it."""
    if assessment.verdict is None or assessment.likelihood is None:
        return None
    p = min(max(assessment.verdict.p, _EDGE), 1 - _EDGE)
    return math.log(p / (1 - p)), assessment.likelihood.lowest, assessment.likelihood.mean


def combined(known: tuple[float, float, float], weights: Weights) -> float:
    """The probability (0..1) that a step of these features is right."""
    verdict, lowest, mean = known
    odds = weights.bias + weights.verdict * verdict + weights.lowest * lowest + weights.mean * mean
    return 1 / (1 + math.exp(-odds)) if odds > -_STEEP else 0.0


def gate_draft(assessment: Assessment, gate: Gate) -> Decision:
    """What the draft's assessment of its own step decides."""
    if gate.accept <= 0:
        return Decision.ACCEPT
    if gate.reject >= 1:
        return Decision.REJECT
    confidence = confidence_of(assessment, gate)
    if confidence is None or not _has_mass(assessment, gate):
        return Decision.ESCALATE
    if confidence >= gate.accept and gate.accept < 1:
        return Decision.ACCEPT
    if confidence <= gate.reject:
        return Decision.REJECT
    return Decision.ESCALATE


def gate_target(assessment: Assessment, gate: Gate) -> Decision:
    """What the target's assessment of a drafted step decides; doubt is a rejection."""
    confidence = confidence_of(assessment, gate)
    stands = confidence is not None and confidence >= gate.target and _has_mass(assessment, gate)
    return Decision.ACCEPT if stands else Decision.REJECT


def accepted_prefix(tokens: Iterable[Token], gate: Gate) -> list[Token]:
    """The tokens of a drafted step before the first that the target finds too unlikely.

    There are none unless the gate looks at the least likely token, as the rest is about the whole step.
    """
    if gate.signal is not Signal.LIKELIHOOD or gate.target <= 0:
        return []
    return list(itertools.takewhile(lambda token: token.logprob >= math.log(gate.target) and not token.ends, tokens))


def _has_mass(assessment: Assessment, gate: Gate) -> bool:
    if gate.signal is not Signal.VERDICT:
        return True
    return assessment.verdict is not None and assessment.verdict.label_mass >= gate.min_label_mass
