"""From labelled steps to a gate: how much each signal knows, and the thresholds that keep what was promised.

The loss of a gate on a problem is 1 where the target alone has it right and the gate lets a wrong step stand, else 0.
Thresholds are loosened one notch at a time from the strictest on, first the target's, then the draft's, each as long as
the Clopper-Pearson upper bound on the loss keeps below the bound at half the doubt allowed: fixed-sequence testing
("Learn then Test", arXiv:2110.01052). It assumes that problems are independent and like those to come; steps need not
be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from confspec_cli.core.gate import Combined, Decision, Gate, Real, Signal, Weights, features, gate_draft, gate_target
from confspec_cli.core.gate import combined as weighed
from confspec_cli.core.trace import Assessment, Author
from confspec_cli.evaluate.labels import Chains, Labelled
from confspec_cli.evaluate.statistics import (
    Bin,
    at,
    auroc,
    auroc_interval,
    brier,
    calibration_error,
    isotonic,
    logistic,
    reliability,
    upper_bound,
)

_NOTCHES = (
    1.0,
    0.98,
    0.95,
    0.9,
    0.8,
    0.7,
    0.6,
    0.5,
    0.45,
    0.4,
    0.35,
    0.3,
    0.25,
    0.2,
    0.135,
    0.1,
    0.05,
    0.02,
    0.01,
    0.0,
)
_ABOUT = 0.98  # of the gain, given up for a stricter gate
SIGNALS = ("verdict", "lowest likelihood", "mean likelihood", "entropy", "combined")


@dataclass(frozen=True, slots=True)
class Promise:
    """Loss of at most `bound` against the target, with that `confidence`; both in 0..1."""

    bound: float = 0.1
    confidence: float = 0.9

    @property
    def problems_needed(self) -> int:
        """How many problems without a loss it takes to promise anything."""
        return math.ceil(math.log((1 - self.confidence) / 2) / math.log(1 - self.bound))


@dataclass(frozen=True, slots=True)
class Knowledge:
    """How much one signal of one model knows about whether a step is right.

    `area` is the AUROC over all `steps`, but of `combined`, whose weights are fitted on the first half of the problems,
    over the other. There too the rest is measured: `error` is the ECE of the signal as it is, `mended` after isotonic
    scaling fitted on the first half.
    """

    by: Author
    signal: str
    steps: int
    area: float | None
    interval: tuple[float, float] | None
    brier: float
    error: float
    mended: float | None
    bins: list[Bin]


@dataclass(frozen=True, slots=True)
class Trial:
    """One gate on the labelled steps: problems lost of those tried, the bound on that, and what it would gain.

    `speedup` is over the target alone on the steps there are, at the seconds they took.
    """

    gate: Gate
    lost: int
    problems: int
    bound: float
    accepted: int
    kept: int
    steps: int
    speedup: float


@dataclass(frozen=True, slots=True)
class Choice:
    """The gate chosen, None where nothing can be promised, and the trials on the way there."""

    gate: Gate | None
    trials: list[Trial]


def knowledge(chains: Chains) -> list[Knowledge]:
    """What each signal of each model knows, most first."""
    early, late = halves(chains)
    weights = fitted(early)
    found = [_known(author, signal, early, late, weights) for author in Author for signal in SIGNALS]
    return sorted((one for one in found if one), key=lambda one: -(one.area or 0.0))


def halves(chains: Chains) -> tuple[Chains, Chains]:
    """The labelled steps of the first half of the problems, and those of the other."""
    problems = list(chains.solved)
    first = set(problems[: len(problems) // 2])
    return tuple(
        Chains(
            {problem: solved for problem, solved in chains.solved.items() if (problem in first) is is_first},
            [step for step in chains.steps if (step.problem in first) is is_first],
        )
        for is_first in (True, False)
    )  # type: ignore[return-value]  # two, which mypy cannot count


def fitted(chains: Chains) -> Combined:
    """The weights that tell right steps from wrong ones best, by logistic regression; none without steps."""

    def fit(author: Author) -> Weights:
        points = [
            (known, step.is_right) for step in chains.steps if (known := features(_reading(step, author))) is not None
        ]
        return Weights(*(Real(round(weight, 4)) for weight in logistic(points))) if points else Weights()

    return Combined(fit(Author.DRAFT), fit(Author.TARGET))


def choose(chains: Chains, signal: Signal, promise: Promise) -> Choice:
    """The strictest of the gates that keep the promise and gain about as much as any that does.

    Weights are fitted on the first half of the problems, and then the thresholds tested on the other.
    """
    strict = Gate(signal, accept=1.0, reject=0.0, target=1.0)
    if signal is Signal.COMBINED:
        early, chains = halves(chains)
        strict = replace(strict, weights=fitted(early))
    trials: list[Trial] = []
    confidence = 1 - (1 - promise.confidence) / 2
    solved = sum(chains.solved.values())
    if chains.solved and upper_bound(solved, len(chains.solved), confidence) <= promise.bound:
        return Choice(None, [tried(chains, strict, confidence)])  # whatever the gate, no more could be lost
    passed = list(_loosened(chains, (replace(strict, target=notch) for notch in _NOTCHES), promise, confidence, trials))
    if not passed:
        return Choice(None, trials)
    best = _settled(passed)
    gates = (replace(best.gate, accept=notch, min_token_prob=_stop(signal, notch)) for notch in _NOTCHES[1:])
    passed = [best, *_loosened(chains, gates, promise, confidence, trials)]
    chosen = _settled(passed)
    return Choice(replace(chosen.gate, worth_drafting=chosen.speedup > 1), trials)


def _settled(passed: Sequence[Trial]) -> Trial:
    """The strictest of those that gain about as much as the one that gains most."""
    most = max(trial.speedup for trial in passed)
    return next(trial for trial in passed if trial.speedup >= _ABOUT * most)


def tried(chains: Chains, gate: Gate, confidence: float) -> Trial:
    """What a gate would have done with the labelled steps.

    A beginning that stands where a step as a whole does not is taken to do no harm.
    """
    lost: set[str] = set()
    accepted = kept = 0
    ours = alone = 0.0
    for step in chains.steps:
        decision, seconds = _played(step, gate)
        ours += seconds
        alone += step.rewriting
        accepted += decision is Decision.ACCEPT
        kept += decision is Decision.ESCALATE
        if decision is not Decision.REJECT and not step.is_right:
            lost.add(step.problem)
    bound = upper_bound(len(lost), len(chains.solved), confidence) if chains.solved else 1.0
    gained = alone / ours if ours else 1.0
    return Trial(gate, len(lost), len(chains.solved), bound, accepted, kept, len(chains.steps), gained)


def _played(step: Labelled, gate: Gate) -> tuple[Decision, float]:
    """Whether the step stands unasked (accept), stands once the target is asked (escalate), or not; and the seconds."""
    assessment = step.target.seconds + step.target.prefill_seconds
    asked = step.draft.seconds if gate.signal is not Signal.LIKELIHOOD else 0.0
    sure = _share(step.drafted, gate.min_token_prob)
    if sure < 1:
        stands = min(sure, _share(step.read, gate.target))
        return Decision.REJECT, sure * step.drafting + assessment + (1 - stands) * step.rewriting
    decision = gate_draft(step.draft, gate)
    if decision is Decision.ACCEPT:
        return Decision.ACCEPT, step.drafting + asked
    if decision is Decision.REJECT:
        return Decision.REJECT, step.drafting + asked + step.rewriting
    if gate_target(step.target, gate) is Decision.ACCEPT:
        return Decision.ESCALATE, step.drafting + asked + assessment
    stands = _share(step.read, gate.target) if gate.min_token_prob else 0.0
    return Decision.REJECT, step.drafting + asked + assessment + (1 - stands) * step.rewriting


def _stop(signal: Signal, accept: float) -> float:
    """Where the draft's own likelihood decides, a step it would not be accepted for need not be written to its end."""
    return accept if signal is Signal.LIKELIHOOD and accept < 1 else 0.0


def _share(logprobs: Sequence[float], least: float) -> float:
    """The share of a step's tokens that come before the first one less likely than `least`."""
    if least <= 0 or not logprobs:
        return 1.0
    before = next((n for n, logprob in enumerate(logprobs) if logprob < math.log(least)), len(logprobs))
    return before / len(logprobs)


def value_of(assessment: Assessment, signal: str, weights: Combined) -> float | None:
    """A signal of a reading, as a number in 0..1; of the entropy, its exponential's inverse."""
    likelihood = assessment.likelihood
    match signal:
        case "verdict":
            return assessment.verdict.p if assessment.verdict else None
        case "combined":
            known = features(assessment)
            return weighed(known, weights.draft if assessment.by is Author.DRAFT else weights.target) if known else None
        case "entropy":
            return math.exp(-likelihood.entropy) if likelihood and likelihood.entropy is not None else None
        case "mean likelihood":
            return math.exp(likelihood.mean) if likelihood else None
    return likelihood.lowest_p if likelihood else None


def _loosened(
    chains: Chains, gates: Iterator[Gate], promise: Promise, confidence: float, trials: list[Trial]
) -> Iterator[Trial]:
    """The trials of ever looser gates, up to the first that breaks the promise; all are noted."""
    for gate in gates:
        trial = tried(chains, gate, confidence)
        trials.append(trial)
        if trial.bound > promise.bound:
            return
        yield trial


def _known(author: Author, signal: str, early: Chains, late: Chains, weights: Combined) -> Knowledge | None:
    def points(chains: Chains) -> list[tuple[str, float, bool]]:
        values = ((step, value_of(_reading(step, author), signal, weights)) for step in chains.steps)
        return [(step.problem, value, step.is_right) for step, value in values if value is not None]

    known, told = points(early), [(value, right) for _, value, right in points(late)]
    if not told:
        return None
    area = points(late) if signal == "combined" else known + points(late)
    groups: dict[str, list[tuple[float, bool]]] = {}
    for problem, value, right in area:
        groups.setdefault(problem, []).append((value, right))
    curve = isotonic([(value, right) for _, value, right in known]) if known else None
    return Knowledge(
        author,
        signal,
        len(area),
        auroc([value for _, value, right in area if right], [value for _, value, right in area if not right]),
        auroc_interval(list(groups.values())),
        brier(told),
        calibration_error(told),
        calibration_error([(at(curve, value), right) for value, right in told]) if curve else None,
        reliability(told),
    )


def _reading(step: Labelled, author: Author) -> Assessment:
    return step.draft if author is Author.DRAFT else step.target
