"""What the runs of a benchmark come to, mode by mode: accuracy, time, who wrote, what was judged, where the time went.

Only problems that every mode got through count, so that all modes are held against the same ones. Knows records and
arithmetic; refuses to know how a figure is drawn.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from confspec_cli.core.events import StepCommitted
from confspec_cli.core.stats import Rate
from confspec_cli.core.trace import Author, Origin
from confspec_cli.evaluate.costs import Costs, WorkKind, measured, seconds_at
from confspec_cli.evaluate.paired import Comparison, compare
from confspec_cli.evaluate.results import Results, Run, without_speculation
from confspec_cli.evaluate.statistics import Interval, ratio_interval, wilson

TARGET, CONFSPEC = "target", "confspec"
REFERENCES = (TARGET, "target+auto")
CONTROLS = ("draft", "target+auto", "random")
"""What a gate has to be better than to be worth anything: the draft alone, the target speculating, a coin."""

JUDGED = ("confspec", "specreason")


@dataclass(frozen=True, slots=True)
class Row:
    """One mode over all problems. Seconds are per problem where not said otherwise; rates keep their denominators.

    `speedup` is the target's time over this mode's, None where the target was not run. `phases` are mean seconds by
    what they were spent on. `predicted` is what the cost model says the mode takes, over what it took. `guessed` tokens
    of those written were guessed ahead, and held, as did `held` of all that were guessed. `other_texts` are the
    problems whose replies differ from those of the same mode without guesses. The target wrote `undrafted` steps of
    which there was no draft. `stood` are the drafted steps that were committed as they were drafted. `costs` by
    currency are those of models that have a price.
    """

    mode: str
    correct: Rate
    accuracy: Interval | None
    median: float
    p95: float
    speedup: Interval | None
    tokens: float
    target_share: float | None
    accepted: Rate
    escalated: Rate
    kept: Rate
    stood: Rate
    regenerated: Rate
    shared: Rate
    undrafted: Rate
    wasted: float
    phases: dict[str, float]
    predicted: float
    speculated: Rate
    held: Rate
    other_texts: tuple[str, ...] | None
    costs: dict[str, float]


@dataclass(frozen=True, slots=True)
class Limits:
    """How fast a mode could be against the target alone on the same problems, were something different.

    `unverified`: the same trace, had verification cost nothing. `accepted`: the target's own reply, had each of its
    tokens cost what the draft's do. `reached` is the share of the latter that the mode reached.
    """

    unverified: float
    accepted: float
    reached: float


@dataclass(frozen=True, slots=True)
class Summary:
    """All modes over the `problems` that each of them got through; another `failed` made one of them fail."""

    name: str
    problems: int
    failed: int
    rows: list[Row]
    limits: dict[str, Limits]
    costs: Costs
    comparisons: list[Comparison]

    @property
    def missing_controls(self) -> list[str]:
        """The controls that were not run; a gate by which nothing was drafted needs no `random` beside it."""
        wanted = CONTROLS if any(_is_gated(row) and row.stood.whole for row in self.rows) else CONTROLS[:-1]
        return [mode for mode in wanted if mode not in [row.mode for row in self.rows]]


def summarise(results: Results) -> Summary:
    """The summary of a file of results."""
    complete = list(results.finished().values())
    costs = measured(run for runs in complete for run in runs.values())
    rows = [_row(mode, complete, costs) for mode in results.modes] if complete else []
    priced = all((author, WorkKind.DECODE) in costs for author in Author)
    limits = {
        row.mode: _limits([runs[row.mode] for runs in complete], [runs[TARGET] for runs in complete], costs)
        for row in rows
        if row.speedup and _is_gated(row) and priced
    }
    compared = compare(complete, results.modes, REFERENCES) if complete else []
    name = results.conditions[0].name if results.conditions else ""
    return Summary(name, len(complete), len(results.complete()) - len(complete), rows, limits, costs, compared)


def _is_gated(row: Row) -> bool:
    return without_speculation(row.mode) in JUDGED


def percentile(values: Sequence[float], share: float) -> float:
    """The value below which that share (0..1) of the values lies, by linear interpolation."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (ordered[above] - ordered[below]) * (place - below)


def _row(mode: str, complete: list[dict[str, Run]], costs: Costs) -> Row:
    runs = [problem[mode] for problem in complete]
    seconds = [run.seconds for run in runs]
    graded = [run.correct for run in runs if run.correct is not None]
    correct = Rate(sum(graded), len(graded))
    stats = [run.stats for run in runs]
    committed = {origin: sum(one.steps[origin] for one in stats) for origin in Origin}
    steps = sum(committed.values()) - committed[Origin.INJECTED]
    undrafted = sum(_undrafted(run) for run in runs)
    tokens = sum(one.total_tokens for one in stats)
    held = sum(sum(one.speculation_accepted.values()) for one in stats)
    by_target = sum(one.tokens[Author.TARGET] for one in stats)
    return Row(
        mode=mode,
        correct=correct,
        accuracy=Interval(sum(graded) / len(graded), *wilson(correct.part, correct.whole)) if graded else None,
        median=statistics.median(seconds),
        p95=percentile(seconds, 0.95),
        speedup=_speedup(complete, mode),
        tokens=tokens / len(runs),
        target_share=by_target / tokens if tokens else None,
        accepted=_pooled([one.accepted for one in stats]),
        escalated=_pooled([one.escalated for one in stats]),
        kept=_pooled([one.accepted_by_target for one in stats]),
        stood=Rate(committed[Origin.DRAFT] + committed[Origin.ESCALATED], steps - undrafted),
        regenerated=Rate(committed[Origin.TARGET] - undrafted, steps),
        shared=Rate(committed[Origin.SALVAGED], steps),
        undrafted=Rate(undrafted, steps),
        wasted=sum(one.wasted_tokens for one in stats) / len(runs),
        phases={
            "draft": sum(one.decode[Author.DRAFT] + one.prefill[Author.DRAFT] for one in stats) / len(runs),
            "verify": sum(sum(one.verification.values()) for one in stats) / len(runs),
            "target prefill": sum(one.prefill[Author.TARGET] for one in stats) / len(runs),
            "target decode": sum(one.decode[Author.TARGET] for one in stats) / len(runs),
        },
        predicted=sum(seconds_at(costs, run) for run in runs) / sum(seconds),
        speculated=Rate(held, sum(sum(one.written.values()) for one in stats)),
        held=Rate(held, sum(sum(one.speculation_proposed.values()) for one in stats)),
        other_texts=_other_texts(mode, complete),
        costs=_mean_costs(runs),
    )


def _undrafted(run: Run) -> int:
    """The committed steps that the target wrote without a draft of them."""
    committed = [event.step for event in run.events if isinstance(event, StepCommitted)]
    return sum(step.origin is Origin.TARGET and step.rejected_text is None for step in committed)


def guesses(mode: str) -> bool:
    """Whether tokens were guessed ahead in a mode of this name."""
    return "+" in mode


def _mean_costs(runs: Sequence[Run]) -> dict[str, float]:
    currencies = {currency for run in runs for currency in run.stats.costs}
    return {one: statistics.fmean(run.stats.costs.get(one, 0.0) for run in runs) for one in sorted(currencies)}


def _other_texts(mode: str, complete: list[dict[str, Run]]) -> tuple[str, ...] | None:
    plain = without_speculation(mode)
    if not guesses(mode) or plain not in complete[0]:
        return None
    return tuple(runs[mode].problem for runs in complete if runs[mode].reply_sha256 != runs[plain].reply_sha256)


def _speedup(complete: list[dict[str, Run]], mode: str) -> Interval | None:
    if mode == TARGET or TARGET not in complete[0]:
        return None
    alone = [problem[TARGET].seconds for problem in complete]
    return Interval(*ratio_interval(alone, [problem[mode].seconds for problem in complete]))


def _limits(runs: list[Run], alone: list[Run], costs: Costs) -> Limits:
    seconds, target = sum(run.seconds for run in runs), sum(run.seconds for run in alone)
    verifying = sum(sum(run.stats.verification.values()) for run in runs)
    draft_token, target_token = (costs[author, WorkKind.DECODE].per_token for author in (Author.DRAFT, Author.TARGET))
    accepted = target_token / draft_token if draft_token else 0.0
    return Limits(target / (seconds - verifying), accepted, target / seconds / accepted if accepted else 0.0)


def _pooled(rates: list[Rate]) -> Rate:
    return Rate(sum(rate.part for rate in rates), sum(rate.whole for rate in rates))
