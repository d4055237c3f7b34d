"""What a calibration found, as tables and in words."""

from __future__ import annotations

from confspec_cli.core.gate import Gate, Signal
from confspec_cli.evaluate.calibration import Choice, Knowledge, Promise, Trial
from confspec_cli.evaluate.labels import Chains
from confspec_cli.evaluate.tables import Table

JUDGED = "steps are right where the target says so, and it may be wrong itself"
METHOD = "Learn then Test over Clopper-Pearson bounds"


def signals_sheet(known: list[Knowledge], chains: Chains) -> Table:
    """What each signal knows about whether a step is right."""
    wrong = sum(not step.is_right for step in chains.steps)
    return Table(
        f"signals on {len(chains.steps)} drafted steps, {wrong} of them wrong; AUROC 0.5 is no information [95 %]",
        ("signal", "steps", "AUROC", "Brier", "ECE", "ECE, isotonic"),
        [
            (
                f"{one.by.value}: {one.signal}",
                str(one.steps),
                "-" if one.area is None else f"{one.area:.2f}{_interval(one.interval)}",
                f"{one.brier:.2f}",
                f"{one.error:.2f}",
                "-" if one.mended is None else f"{one.mended:.2f}",
            )
            for one in known
        ],
    )


def reliability_sheet(one: Knowledge) -> Table:
    """The reliability diagram of a signal: in each bin its mean, and the share of steps that were right."""
    return Table(
        f"reliability of {one.by.value}: {one.signal}, on the second half of the problems",
        ("bin", "steps", "mean", "right", ""),
        [
            (
                f"{some.low:.1f} to {some.high:.1f}",
                str(some.count),
                f"{some.mean:.2f}",
                f"{some.share:.2f}",
                "#" * round(20 * some.share),
            )
            for some in one.bins
        ],
    )


def curve(choice: Choice, promise: Promise) -> Table:
    """The loss and the speed-up over thresholds, in the order they were tried."""
    return Table(
        f"gates tried, looser and looser, until the loss may be above {promise.bound:.0%}",
        ("accept", "target", "stop", "lost", "at most", "unasked", "kept", "speed-up"),
        [_trial(trial) for trial in choice.trials],
    )


def verdict_on(choice: Choice, promise: Promise) -> str:
    """What came of it, in a sentence or two."""
    tried = choice.trials[0].problems
    if choice.gate is None:
        needed, few = promise.problems_needed, ""
        if tried < needed:
            few = f" It takes at least {needed} problems without a loss."
        elif choice.trials[0].bound <= promise.bound:
            few = " The target itself solves next to none of them, so there is nothing to lose and nothing to learn."
        return (
            f"No gate can be promised to lose at most {promise.bound:.0%} with {promise.confidence:.0%} confidence "
            f"on {tried} problems.{few} Nothing was changed."
        )
    best = next(trial for trial in choice.trials if _same(trial.gate, choice.gate))
    worth_drafting = (
        "pays"
        if choice.gate.worth_drafting
        else "does not pay here: the target begins alone, and drafting is tried now and then"
    )
    return (
        f"{_gate(choice.gate)}: at most {promise.bound:.0%} of problems are lost to the target, with "
        f"{promise.confidence:.0%} confidence ({best.lost} of {best.problems} lost here; {METHOD}; the problems are "
        f"taken to be independent and like those to come). Estimated speed-up {best.speedup:.2f}; "
        f"drafting {worth_drafting}."
    )


def _trial(trial: Trial) -> tuple[str, ...]:
    gate = trial.gate
    return (
        f"{gate.accept:g}",
        f"{gate.target:g}",
        f"{gate.min_token_prob:g}",
        f"{trial.lost}/{trial.problems}",
        f"{trial.bound:.2f}",
        f"{trial.accepted}/{trial.steps}",
        f"{trial.kept}/{trial.steps}",
        f"{trial.speedup:.2f}",
    )


def _gate(gate: Gate) -> str:
    stop = f", stop {gate.min_token_prob:g}" if gate.min_token_prob else ""
    name = {Signal.LIKELIHOOD: "lowest likelihood"}.get(gate.signal, gate.signal.value)
    return f"Gate: {name}, accept {gate.accept:g}{stop}, target {gate.target:g}"


def _same(one: Gate, other: Gate) -> bool:
    return (one.accept, one.target, one.min_token_prob) == (other.accept, other.target, other.min_token_prob)


def _interval(interval: tuple[float, float] | None) -> str:
    return f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
