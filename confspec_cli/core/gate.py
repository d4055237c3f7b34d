"""What a reading decides: accept, escalate or reject. Arithmetic alone, so a saved run can be judged again.

Source: ConfSpec (arXiv:2602.18447), confidence gating; the likelihood signal is ours.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import NewType

from confspec_cli.core.messages import Token
from confspec_cli.core.trace import Assessment, Author

_EDGE = 1e-6  # a verdict's p is kept this far from 0 and 1
_STEEP = 700.0  # log-odds beyond which exp overflows


class Signal(str, Enum):
    """What of a reading the gate looks at; all are probabilities in 0..1."""

    VERDICT = "verdict"  # the answer to "is this step right?" (the paper's)
    LIKELIHOOD = "likelihood"  # the probability of the least likely token of the step
    COMBINED = "combined"  # all that is known of the step, weighed as calibration found best


class Decision(str, Enum):
    """What happens to a drafted step."""

    ACCEPT = "accept"
    ESCALATE = "escalate"
    REJECT = "reject"


Real = NewType("Real", float)
"""Any finite number."""


@dataclass(frozen=True, slots=True)
class Weights:
    """How much each thing a model makes of a step says about its being right: a logistic regression.

    `verdict` weighs the log-odds of the verdict's p, `lowest` and `mean` the log-probabilities of the tokens.
    """

    bias: Real = Real(0.0)
    verdict: Real = Real(0.0)
    lowest: Real = Real(0.0)
    mean: Real = Real(0.0)


@dataclass(frozen=True, slots=True)
class Combined:
    """The weights for each model's own readings."""

    draft: Weights = Weights()
    target: Weights = Weights()


@dataclass(frozen=True, slots=True)
class Gate:
    """The thresholds of a pair, all in 0..1.

    The draft's signal at or above `accept` is final, at or below `reject` too; in between the target is asked, and its
    own signal at or above `target` lets the step stand. A verdict with less than `min_label_mass` on its labels decides
    nothing: it escalates. `accept` 0 accepts and `reject` 1 rejects every step, whatever the signal.
    The draft stops in mid-step before a token less likely than `min_token_prob`, and the target takes over; 0 never
    does. `worth_drafting`: drafting was not found to cost more time than it saves at this gate. `weights` are for
    `combined` alone.
    """

    signal: Signal = Signal.VERDICT
    accept: float = 0.95
    reject: float = 0.0
    target: float = 0.5
    min_label_mass: float = 0.5
    min_token_prob: float = 0.0
    worth_drafting: bool = True
    weights: Combined = Combined()

    @property
    def is_open(self) -> bool:
        """Whether the signals decide at all, and not the gate alone."""
        return self.accept > 0 and self.reject < 1


def confidence_of(assessment: Assessment, gate: Gate) -> float | None:
    """The number in 0..1 a gate looks at, or None where the reading does not hold it."""
    if gate.signal is Signal.VERDICT:
        return assessment.verdict.p if assessment.verdict else None
    if gate.signal is Signal.LIKELIHOOD:
        return assessment.likelihood.lowest_p if assessment.likelihood else None
    weights = gate.weights.draft if assessment.by is Author.DRAFT else gate.weights.target
    known = features(assessment)
    return combined(known, weights) if known else None


def features(assessment: Assessment) -> tuple[float, float, float] | None:
    """What is known of a step, in the order of the weights; None where the reading lacks a part of it."""
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
    """What the draft's reading of its own step decides."""
    if gate.accept <= 0:
        return Decision.ACCEPT
    if gate.reject >= 1:
        return Decision.REJECT
    value = confidence_of(assessment, gate)
    if value is None or not _has_mass(assessment, gate):
        return Decision.ESCALATE
    if value >= gate.accept:
        return Decision.ACCEPT
    if value <= gate.reject:
        return Decision.REJECT
    return Decision.ESCALATE


def gate_target(assessment: Assessment, gate: Gate) -> Decision:
    """What the target's reading of a drafted step decides; it never escalates, doubt is a rejection."""
    value = confidence_of(assessment, gate)
    stands = value is not None and value >= gate.target and _has_mass(assessment, gate)
    return Decision.ACCEPT if stands else Decision.REJECT


def accepted_prefix(tokens: Iterable[Token], gate: Gate) -> list[Token]:
    """Of a drafted step as the target reads it, what stands by itself: all before a token it finds too unlikely.

    Nothing where the gate does not go by likelihood, as a verdict is about the whole.
    """
    if gate.signal is not Signal.LIKELIHOOD or gate.target <= 0:
        return []
    return list(itertools.takewhile(lambda token: token.logprob >= math.log(gate.target) and not token.ends, tokens))


def _has_mass(assessment: Assessment, gate: Gate) -> bool:
    if gate.signal is not Signal.VERDICT:
        return True
    return assessment.verdict is not None and assessment.verdict.label_mass >= gate.min_label_mass
