"""What a calibration found, as tables and in words."""

from __future__ import annotations

from collections.abc import Sequence

from confspec_cli.core.frontier import MeasuredGate, TokenCosts
from confspec_cli.evaluate.calibration import Knowledge, Promise
from confspec_cli.evaluate.labels import Chains
from confspec_cli.evaluate.stacking import Stacked
from confspec_cli.evaluate.tables import Table

JUDGED = (
    "there steps are right where the target says so, and answers where they are the target's; it may be wrong itself"
)
METHOD = "Clopper-Pearson bounds over whole replies, for all gates at once"


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


def stacking_sheet(rows: Sequence[Stacked]) -> Table:
    """What signals know together, beside the best of them alone."""
    return Table(
        "signals together: logistic regressions, cross-validated by problem, and their gain in AUROC over the best "
        "single signal [95 %]; a gain whose interval reaches below 0 is none",
        ("signals", "AUROC", "gain"),
        [
            (
                one.name,
                f"{one.area:.2f}{_interval(one.interval)}",
                "-"
                if one is rows[0]
                else f"{one.gain:+.3f} [{one.gain_interval[0]:+.3f}, {one.gain_interval[1]:+.3f}]",
            )
            for one in rows
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


def frontier_sheet(
    frontier: Sequence[MeasuredGate], promise: Promise, costs: TokenCosts | None, used: str = ""
) -> Table:
    """What each gate loses and takes, and its speed-up at these costs; the one that is `used` has a mark."""
    solved, alone = frontier[0].solved, frontier[0].alone
    return Table(
        f"gates tried on whole replies: of the {solved} right answers of the target they lost so many, and with "
        f"{promise.confidence:.0%} confidence at most so many of all; tokens per answer, where the target alone writes "
        f"{alone:.0f}",
        ("gate", "lost", "at most", "drafted", "wasted", "read", "written", "speed-up"),
        [
            (
                one.name + (" *" if one.name == used else ""),
                f"{round(one.lost * solved)}/{solved}",
                f"{one.bound:.3f}",
                *(f"{tokens:.0f}" for tokens in (one.drafted, one.wasted, one.read, one.written)),
                f"{costs.speedup(one.work):.2f}" if costs else "-",
            )
            for one in frontier
        ],
    )


def tells(frontier: Sequence[MeasuredGate], promise: Promise) -> bool:
    """Whether the target solved enough problems for one gate, at least, to keep the promise had it lost none."""
    return bool(frontier) and frontier[0].solved >= promise.solved_needed(len(frontier))


def verdict_on(
    frontier: Sequence[MeasuredGate], kept: MeasuredGate | None, promise: Promise, costs: TokenCosts | None
) -> str:
    """What came of it, in a sentence or two."""
    promised = f"at most {promise.bound:.0%} of the target's right answers"
    if not frontier:
        return "The target alone solves none of the problems, so nothing can be learned from them. Nothing was changed."
    if not tells(frontier, promise):
        return (
            f"The target solves {frontier[0].solved} of the problems. To show that a gate loses {promised} with "
            f"{promise.confidence:.0%} confidence takes at least {promise.solved_needed(len(frontier))}, of which none "
            "is lost. Nothing was changed."
        )
    if kept is None:
        return (
            f"No gate is sure to lose {promised}, with {promise.confidence:.0%} confidence ({METHOD}): the target will "
            "write alone."
        )
    keeping = sum(one.bound <= promise.bound for one in frontier)
    speedup = f", at an estimated speed-up of {costs.speedup(kept.work):.2f}" if costs else ""
    slower = "; the target alone is faster here, and is used" if costs and costs.speedup(kept.work) <= 1 else ""
    return (
        f"Gate {kept.name} loses {promised}, with {promise.confidence:.0%} confidence: it lost "
        f"{round(kept.lost * kept.solved)} of {kept.solved} here ({METHOD}; the problems are taken to be independent "
        "and like those to come). "
        f"{keeping} of {len(frontier)} gates keep that promise; this one is the fastest of them here{speedup}{slower}."
    )


def _interval(interval: tuple[float, float] | None) -> str:
    return f" [{interval[0]:.2f}, {interval[1]:.2f}]" if interval else ""
