"""From labelled steps to what each signal knows about whether a step is right.

Which gates keep what they promise is measured on whole replies: gate_trials.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from confspec_cli.core.gate import Combined, Weights, features
from confspec_cli.core.gate import combined as weighed
from confspec_cli.core.real import Real
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
)

SIGNALS = ("verdict", "lowest likelihood", "mean likelihood", "entropy", "first entropy", "combined")


@dataclass(frozen=True, slots=True)
class Promise:
    """At most the share `bound` of the target's right answers is lost, with that `confidence`; both in 0..1."""

    bound: float = 0.1
    confidence: float = 0.9

    def solved_needed(self, gates: int) -> int:
        """How many problems the target must solve to promise anything of so many gates, if none of them is lost."""
        return math.ceil(math.log((1 - self.confidence) / gates) / math.log(1 - self.bound))


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
        case "first entropy":
            return math.exp(-likelihood.first_entropy) if likelihood and likelihood.first_entropy is not None else None
        case "mean likelihood":
            return likelihood.mean_p if likelihood else None
    return likelihood.lowest_p if likelihood else None


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
