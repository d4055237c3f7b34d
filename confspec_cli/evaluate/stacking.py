"""Whether signals know more together than the best of them alone: logistic regressions, cross-validated by problem.

Everything that is chosen (the best single signal, the strength of the ridge) is chosen on other problems than those it
is judged on, so no figure is flattered by the choice.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, pstdev

from confspec_cli.core.gate import features as weighed
from confspec_cli.core.trace import Assessment, Author
from confspec_cli.evaluate.labels import Chains, Labelled
from confspec_cli.evaluate.statistics import auroc, auroc_interval, logistic

_OUTER, _INNER = 5, 3  # folds
_STRENGTHS = (0.3, 3.0, 30.0)
_DRAWS = 300
_LIKELIHOODS = ("lowest", "mean", "entropy", "first entropy")
_OF_STEP = ("repetition", "position", "length")

STACKS = {
    "draft: likelihoods": tuple(f"draft {name}" for name in _LIKELIHOODS),
    "target: likelihoods": tuple(f"target {name}" for name in _LIKELIHOODS),
    "draft: all": ("draft verdict", *(f"draft {name}" for name in _LIKELIHOODS), *_OF_STEP),
    "target: all": ("target verdict", *(f"target {name}" for name in _LIKELIHOODS), *_OF_STEP),
    "both: all": (*(f"{author.value} {name}" for author in Author for name in ("verdict", *_LIKELIHOODS)), *_OF_STEP),
}
"""The regressions that are tried, by the signals they look at."""


@dataclass(frozen=True, slots=True)
class Stacked:
    """How much a regression knows about whether a step is right, and its gain over the best single signal, in AUROC.

    The intervals are bootstrapped over problems.
    """

    name: str
    area: float
    interval: tuple[float, float] | None
    gain: float
    gain_interval: tuple[float, float]


Row = tuple[str, Mapping[str, float], bool]
"""A step: its problem, its signals, whether it is right."""


def stacked(chains: Chains) -> list[Stacked]:
    """What each regression knows; the first row is the best single signal. Nothing where too little was labelled."""
    rows = _rows(chains.steps)
    folds = _folds(rows, _OUTER)
    if len(folds) < _OUTER or any(len({right for *_, right in _others(folds, n)}) < 2 for n in range(_OUTER)):
        return []
    names = list(rows[0][1])
    stacks = {name: [part for part in parts if part in names] for name, parts in STACKS.items()}
    single = _out_of_fold(folds, [[name] for name in names])
    told = {"best single signal": single} | {
        name: _out_of_fold(folds, [parts]) for name, parts in stacks.items() if len(parts) > 1
    }
    return [_compared(name, points, single) for name, points in told.items()]


def signals_of(step: Labelled) -> dict[str, float | None]:
    """Every signal of a step by name; None for what is not known of it."""
    found: dict[str, float | None] = {}
    for author, assessment in ((Author.DRAFT, step.draft), (Author.TARGET, step.target)):
        found |= {f"{author.value} {name}": value for name, value in _of_model(assessment).items()}
    return {
        **found,
        "repetition": step.repetition,
        "position": math.log(step.n),
        "length": math.log(max(step.tokens, 1)),
    }


def _of_model(assessment: Assessment) -> dict[str, float | None]:
    likelihood, known = assessment.likelihood, weighed(assessment)
    return {
        "verdict": known[0] if known else None,
        "lowest": likelihood.lowest if likelihood else None,
        "mean": likelihood.mean if likelihood else None,
        "entropy": likelihood.entropy if likelihood else None,
        "first entropy": likelihood.first_entropy if likelihood else None,
    }


def _rows(steps: Sequence[Labelled]) -> list[Row]:
    """The steps with the signals that are known of all of them."""
    found = [(step, signals_of(step)) for step in steps]
    known = [name for name in (found[0][1] if found else ()) if all(one[name] is not None for _, one in found)]
    return [(step.problem, {name: one[name] or 0.0 for name in known}, step.is_right) for step, one in found]


def _folds(rows: Iterable[Row], count: int) -> list[list[Row]]:
    """The rows in so many parts, those of a problem together; fewer where there are not as many problems."""
    by_problem: dict[str, list[Row]] = {}
    for row in rows:
        by_problem.setdefault(row[0], []).append(row)
    problems = list(by_problem.values())
    return [[row for problem in problems[n::count] for row in problem] for n in range(min(count, len(problems)))]


def _others(folds: Sequence[Sequence[Row]], n: int) -> list[Row]:
    return [row for m, fold in enumerate(folds) if m != n for row in fold]


def _out_of_fold(folds: Sequence[Sequence[Row]], choices: Sequence[Sequence[str]]) -> list[tuple[str, float, bool]]:
    """Each step with what a regression fitted on other problems makes of it: the best there of these choices."""
    points = []
    for n, fold in enumerate(folds):
        rest = _others(folds, n)
        *_, names, strength = min(
            (_loss(rest, names, strength), number, names, strength)
            for number, names in enumerate(choices)
            for strength in _STRENGTHS
        )
        model = _Regression(rest, names, strength)
        points += [(problem, model.score(signals), right) for problem, signals, right in fold]
    return points


def _loss(rows: Sequence[Row], names: Sequence[str], strength: float) -> float:
    """The log-loss on rows that the regression was not fitted on."""
    folds, losses = _folds(rows, _INNER), []
    for n, fold in enumerate(folds):
        model = _Regression(_others(folds, n), names, strength)
        losses += [-math.log(max(p if right else 1 - p, 1e-9)) for p, right in ((model(one), y) for _, one, y in fold)]
    return fmean(losses)


class _Regression:
    """A regression on standardised signals; called with signals it gives the probability that a step is right."""

    def __init__(self, rows: Sequence[Row], names: Sequence[str], strength: float) -> None:
        columns = {name: [signals[name] for _, signals, _ in rows] for name in names}
        self._scales = {name: (fmean(column), pstdev(column) or 1.0) for name, column in columns.items()}
        points = [(self._scaled(signals), right) for _, signals, right in rows]
        self._weights = logistic(points, strength)

    def __call__(self, signals: Mapping[str, float]) -> float:
        odds = self._weights[0] + self.score(signals)
        return 1 / (1 + math.exp(-max(min(odds, 500.0), -500.0)))

    def score(self, signals: Mapping[str, float]) -> float:
        """The log-odds without the bias: what is right oftener in one part than in the others would turn it round."""
        return sum(weight * value for weight, value in zip(self._weights[1:], self._scaled(signals), strict=True))

    def _scaled(self, signals: Mapping[str, float]) -> list[float]:
        return [(signals[name] - mean) / spread for name, (mean, spread) in self._scales.items()]


def _compared(
    name: str, points: Sequence[tuple[str, float, bool]], single: Sequence[tuple[str, float, bool]]
) -> Stacked:
    groups: dict[str, list[tuple[float, float, bool]]] = {}
    for (problem, value, right), (_, other, _) in zip(points, single, strict=True):
        groups.setdefault(problem, []).append((value, other, right))
    every = list(groups.values())
    rng = random.Random(0)
    drawn = sorted(_gain([step for group in rng.choices(every, k=len(every)) for step in group]) for _ in range(_DRAWS))
    steps = [step for group in every for step in group]
    return Stacked(
        name,
        _area([(value, right) for value, _, right in steps]),
        auroc_interval([[(value, right) for value, _, right in group] for group in every], draws=_DRAWS),
        _gain(steps),
        (drawn[int(0.025 * _DRAWS)], drawn[int(0.975 * _DRAWS)]),
    )


def _gain(steps: Sequence[tuple[float, float, bool]]) -> float:
    return _area([(value, right) for value, _, right in steps]) - _area([(other, right) for _, other, right in steps])


def _area(points: Sequence[tuple[float, bool]]) -> float:
    area = auroc([value for value, right in points if right], [value for value, right in points if not right])
    return 0.5 if area is None else area
