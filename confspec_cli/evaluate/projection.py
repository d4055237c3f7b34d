"""The same runs at other costs: what every mode would take, and from which costs on drafted steps begin to pay."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from statistics import fmean

from confspec_cli.core.speed_model import AnswerWork, with_draft_right
from confspec_cli.core.trace import Author
from confspec_cli.evaluate.costs import Costs, WorkKind, seconds_at, work_of
from confspec_cli.evaluate.costs import to_dict as costs_table
from confspec_cli.evaluate.results import Results, Run
from confspec_cli.evaluate.summary import JUDGED, TARGET, Summary
from confspec_cli.evaluate.tables import Layout, Table, shown

_SHARES = (0.6, 0.8, 0.95)  # of the steps, right as drafted
_FEW = 1.0  # tokens drafted per problem below which nothing can be told of drafting


def projection(summary: Summary, results: Results, given: Costs | None, layout: Layout) -> str:
    """What every mode would take at the costs given, else at those measured, and where steps begin to pay."""
    at = given or summary.costs
    complete = list(results.finished().values())
    whose = "the costs given" if given else "the costs measured in these results"
    sheets = [_projected(summary, complete, at, whose), *_crossings(complete, at, whose)]
    if layout is Layout.JSON:
        named = {"projection": sheets[0].records(), "costs": costs_table(at)}
        return json.dumps({**named, "crossing": sheets[1].records() if sheets[1:] else []}, indent=2) + "\n"
    return shown(sheets, layout)


def _projected(summary: Summary, complete: Sequence[dict[str, Run]], at: Costs, whose: str) -> Table:
    seconds = {row.mode: sum(seconds_at(at, runs[row.mode]) for runs in complete) for row in summary.rows}
    alone = seconds.get(TARGET)
    rows = [
        (
            mode,
            f"{value / len(complete):.2f}",
            f"{sum(runs[mode].seconds for runs in complete) / len(complete):.2f}",
            f"{alone / value:.2f}" if alone and value else "-",
        )
        for mode, value in seconds.items()
    ]
    return Table(
        f"projection, not a measurement: the same work at {whose}, over {len(complete)} problems",
        ("mode", "projected s/problem", "measured s/problem", "projected speed-up"),
        rows,
    )


def _crossings(complete: Sequence[dict[str, Run]], at: Costs, whose: str) -> list[Table]:
    """The table of the closed form; none where the costs or the runs do not tell what it takes."""
    read = [work for runs in complete for mode in runs for work in work_of(runs[mode]) if mode in JUDGED]
    read = [work for work in read if (work.author, work.kind) == (Author.TARGET, WorkKind.JUDGE)]
    writing, drafting = (at.get((author, WorkKind.DECODE)) for author in (Author.TARGET, Author.DRAFT))
    reading, tokens = at.get((Author.TARGET, WorkKind.JUDGE)), sum(work.tokens for work in read)
    if not complete or TARGET not in complete[0]:
        return []
    if not (writing and drafting and reading and writing.per_token and drafting.per_token and tokens):
        return []
    ratio = writing.per_token / drafting.per_token
    price = reading.of(tokens, sum(work.batches for work in read)) / tokens / writing.per_token
    modes = [mode for mode in JUDGED if mode in complete[0]]
    works = {mode: answer_work((runs[mode], runs[TARGET]) for runs in complete) for mode in modes}
    return [crossings(works, ratio, price, whose)]


def crossings(works: Mapping[str, AnswerWork], ratio: float, price: float, whose: str) -> Table:
    """From which costs on each way of working pays, and drafts that are right to some extent, of the same length."""
    alone = next(iter(works.values())).alone
    works = {**works, **{f"draft right {share:.0%}": with_draft_right(share, alone) for share in _SHARES}}
    title = (
        f"where steps begin to pay, by docs/speed.md; at {whose} the cost ratio is {ratio:.2f}, the reading price "
        f"{price:.3f}; tokens are per problem"
    )
    header = ("steps", "drafted", "read", "written", "alone", "speed-up", "pay above ratio", "pay below price")
    return Table(title, header, [_crossing(name, work, ratio, price) for name, work in works.items()])


def answer_work(pairs: Iterable[tuple[Run, Run]]) -> AnswerWork:
    """The mean work of answers, from runs with drafted steps and runs of the target alone on the same problems."""
    counted = [
        (
            run.stats.written[Author.DRAFT],
            run.stats.wasted_tokens,
            sum(work.tokens for work in work_of(run) if (work.author, work.kind) == (Author.TARGET, WorkKind.JUDGE)),
            run.stats.written[Author.TARGET],
            alone.stats.written[Author.TARGET],
        )
        for run, alone in pairs
    ]
    return AnswerWork(*map(fmean, zip(*counted, strict=True)))


def _crossing(name: str, work: AnswerWork, ratio: float, price: float) -> tuple[str, ...]:
    lowest, highest = work.lowest_ratio(price), work.highest_price(ratio)
    crossings = ("never" if lowest is None else f"{lowest:.2f}", "never" if highest is None else f"{highest:.3f}")
    return (
        name,
        *(f"{tokens:.0f}" for tokens in (work.drafted, work.read, work.written, work.alone)),
        f"{work.speedup(ratio, price):.2f}",
        *(crossings if work.drafted >= _FEW else ("-", "-")),
    )
