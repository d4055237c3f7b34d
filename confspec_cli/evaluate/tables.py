"""The summary of a benchmark as tables: for a terminal, as Markdown, as CSV.

Knows figures and how wide they are; refuses to know where they come from.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import Enum
from typing import Any

from confspec_cli.core.stats import Rate
from confspec_cli.evaluate.comparison_words import factor, points
from confspec_cli.evaluate.costs import to_dict as costs_table
from confspec_cli.evaluate.paired import Comparison
from confspec_cli.evaluate.results import Results
from confspec_cli.evaluate.statistics import Interval, ratio_interval
from confspec_cli.evaluate.summary import CONFSPEC, TARGET, Limits, Row, Summary, guesses


class Layout(str, Enum):
    """How tables are written down."""

    TEXT = "text"
    MD = "md"
    CSV = "csv"
    JSON = "json"


@dataclass(frozen=True, slots=True)
class Table:
    """A table with a line that says what it shows; the first column holds names, the others figures."""

    title: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]

    def records(self) -> list[dict[str, str]]:
        """A dictionary a row."""
        return [dict(zip(self.header, row, strict=True)) for row in self.rows]

    def text(self) -> str:
        """Aligned columns, for a terminal."""
        widths = [max(map(len, column)) for column in zip(self.header, *self.rows, strict=True)]
        lines = [
            "  ".join(
                cell.rjust(width) if i else cell.ljust(width)
                for i, (cell, width) in enumerate(zip(row, widths, strict=True))
            )
            for row in (self.header, *self.rows)
        ]
        return "\n".join([self.title, *(line.rstrip() for line in lines)]) + "\n"

    def markdown(self) -> str:
        """A Markdown table."""
        config = ["---", *["--:"] * (len(self.header) - 1)]
        lines = ["| " + " | ".join(row) + " |" for row in (self.header, config, *self.rows)]
        return "\n".join([f"{self.title}\n", *lines]) + "\n"


def tables(summary: Summary) -> list[Table]:
    """The tables of a summary."""
    rows = summary.rows
    made = [
        Table(
            f"{summary.name}: {_problems(summary)}, every mode on each; [95 % intervals]",
            ("mode", "right", "accuracy", "median s", "p95 s", "speed-up", "tokens", "by target"),
            [_outcome(row) for row in rows],
        ),
        Table(
            "paired, problem by problem: won and lost are those that only one of the two modes got right; difference "
            f"in right answers, in points; p by McNemar's exact test{_missing(summary)}; [95 % intervals]",
            ("mode", "against", "won", "lost", "difference", "p", "speed-up"),
            [_paired(one) for one in summary.comparisons],
        ),
        Table(
            "steps: accepted and escalated of those the draft judged, kept of those the target was asked about, stood "
            "of those the draft began",
            ("mode", "accepted", "escalated", "kept", "stood", "rewritten", "shared", "undrafted", "wasted tokens"),
            [_steps(row) for row in rows if row.mode != TARGET],
        ),
        Table(
            "mean seconds a problem by what they were spent on; model: what the cost model says, over what it took",
            ("mode", *rows[0].phases, "model") if rows else ("mode",),
            [(row.mode, *(f"{value:.2f}" for value in row.phases.values()), f"{row.predicted:.2f}") for row in rows],
        ),
        Table(
            "tokens guessed ahead that held, of those written and of those guessed; replies that differ from those "
            "without guesses",
            ("mode", "of written", "of guessed", "other replies"),
            [
                (row.mode, _rate(row.speculated), _rate(row.held), _differing(row, summary.problems))
                for row in rows
                if guesses(row.mode)
            ],
        ),
        Table(
            "steps and guesses together: speed-ups over the target alone; the product is what both would give, were "
            "neither in the other's way",
            ("guesses by", "neither", "guesses alone", "steps alone", "product", "both", "both / product"),
            _products({row.mode: row for row in rows}),
        ),
        Table(
            "mean cost a problem, as far as our own count of the tokens tells",
            ("mode", *_currencies(rows)),
            [
                (row.mode, *(f"{row.costs.get(currency, 0):.6f}" for currency in _currencies(rows)))
                for row in rows
                if row.costs
            ],
        ),
        Table(
            "limits: the speed-up had verification cost nothing, had the draft written all, and the share reached",
            ("mode", "speed-up", "unverified", "all drafted", "reached"),
            [_limit(row, summary.limits[row.mode]) for row in rows if row.mode in summary.limits],
        ),
    ]
    return [made[0], *(sheet for sheet in made[1:] if sheet.rows)]


def _currencies(rows: Sequence[Row]) -> list[str]:
    return sorted({currency for row in rows for currency in row.costs})


def summary_text(summary: Summary, layout: Layout) -> str:
    """A summary in the layout asked for."""
    if layout is Layout.CSV:
        limits = {mode: asdict(some) for mode, some in summary.limits.items()}
        return _csv([_flat({**asdict(row), "limits": limits.get(row.mode, {})}) for row in summary.rows])
    if layout is Layout.JSON:
        return json.dumps(_record(summary), indent=2) + "\n"
    return shown(tables(summary), layout)


def shown(tables: Sequence[Table], layout: Layout) -> str:
    """Tables in the layout asked for; as JSON, a list of records."""
    if layout is Layout.JSON:
        return json.dumps([sheet.records() for sheet in tables], indent=2) + "\n"
    if layout is Layout.CSV:
        return "\n".join(_csv(sheet.records()) for sheet in tables)
    return "\n".join(sheet.markdown() if layout is Layout.MD else sheet.text() for sheet in tables)


def difference(first: Results, second: Results) -> Table:
    """The modes both hold, on the problems both hold: what the second changed."""
    rows = []
    for mode in (mode for mode in first.modes if mode in second.modes):
        one, other = (results.of(mode) for results in (first, second))
        both = [(one[problem], other[problem]) for problem in one if problem in other]
        if not both:
            continue
        ratio = Interval(*ratio_interval([a.seconds for a, _ in both], [b.seconds for _, b in both]))
        right = [sum(bool(run.correct) for run in side) for side in zip(*both, strict=True)]
        turned = sum(a.correct != b.correct for a, b in both)
        same = sum(a.reply_sha256 == b.reply_sha256 for a, b in both)
        rows.append((mode, str(len(both)), f"{right[0]}", f"{right[1]}", f"{turned}", f"{same}", factor(ratio)))
    header = ("mode", "problems", "right before", "right after", "turned", "same reply", "speed-up [95 %]")
    return Table("the second results against the first, on what both hold", header, rows)


def _problems(summary: Summary) -> str:
    left_out = f" ({summary.failed} more left out, where a mode failed)" if summary.failed else ""
    return f"{summary.problems} problems{left_out}"


def _missing(summary: Summary) -> str:
    missing = summary.missing_controls
    return f"; controls that were not run: {', '.join(missing)}" if missing else ""


def _paired(one: Comparison) -> tuple[str, ...]:
    p = "-" if one.p is None else f"{one.p:.3f}"
    return (one.mode, one.reference, str(len(one.won)), str(len(one.lost)), points(one), p, factor(one.speedup))


def turned(summary: Summary) -> Table:
    """Which problems each mode won and lost against the references."""
    rows = [
        (one.mode, one.reference, ", ".join(one.won) or "-", ", ".join(one.lost) or "-") for one in summary.comparisons
    ]
    return Table("problems that only one of the two modes got right", ("mode", "against", "won", "lost"), rows)


def _outcome(row: Row) -> tuple[str, ...]:
    return (
        row.mode,
        _rate(row.correct),
        _percent(row.accuracy),
        f"{row.median:.1f}",
        f"{row.p95:.1f}",
        factor(row.speedup),
        f"{row.tokens:.0f}",
        "-" if row.target_share is None else f"{100 * row.target_share:.0f} %",
    )


def _steps(row: Row) -> tuple[str, ...]:
    rates = (row.accepted, row.escalated, row.kept, row.stood, row.regenerated, row.shared, row.undrafted)
    return (row.mode, *(_rate(rate) for rate in rates), f"{row.wasted:.0f}")


def _differing(row: Row, of: int) -> str:
    if row.other_texts is None:
        return "-"
    which = f": {', '.join(row.other_texts)}" if row.other_texts else ""
    return f"{len(row.other_texts)}/{of}{which}"


def _products(rows: Mapping[str, Row]) -> list[tuple[str, ...]]:
    """A row for each way of guessing that was tried with the target alone and with both models."""
    steps = rows.get(CONFSPEC)
    made: list[tuple[str, ...]] = []
    for mode in rows:
        before, _, resolved = mode.partition("+")
        alone, both = rows[mode], rows.get(f"{CONFSPEC}+{resolved}")
        if before != TARGET or not resolved or not both or not steps or not steps.speedup:
            continue
        assert alone.speedup and both.speedup
        product = alone.speedup.value * steps.speedup.value
        factors = (factor(alone.speedup), factor(steps.speedup), f"{product:.2f}", factor(both.speedup))
        made.append((resolved, "1", *factors, f"{both.speedup.value / product:.2f}"))
    return made


def _limit(row: Row, limits: Limits) -> tuple[str, ...]:
    return (
        row.mode,
        factor(row.speedup),
        f"{limits.unverified:.2f}",
        f"{limits.accepted:.2f}",
        f"{100 * limits.reached:.0f} %",
    )


def _rate(rate: Rate) -> str:
    return f"{rate.part}/{rate.whole}" if rate.whole else "-"


def _percent(interval: Interval | None) -> str:
    if interval is None:
        return "-"
    return f"{100 * interval.value:.0f} % [{100 * interval.low:.0f}, {100 * interval.high:.0f}]"


def _record(summary: Summary) -> dict[str, Any]:
    return {
        "name": summary.name,
        "problems": summary.problems,
        "failed": summary.failed,
        "modes": [asdict(row) for row in summary.rows],
        "comparisons": [asdict(one) for one in summary.comparisons],
        "missing_controls": summary.missing_controls,
        "limits": {mode: asdict(limits) for mode, limits in summary.limits.items()},
        "costs": costs_table(summary.costs),
    }


def _csv(records: Sequence[Mapping[str, Any]]) -> str:
    stream = io.StringIO()
    if records:
        columns = max((list(record) for record in records), key=len)  # what a row lacks stays empty
        writer = csv.DictWriter(stream, columns, lineterminator="\n", extrasaction="ignore")
        writer.writeheader()
        writer.writerows(records)
    return stream.getvalue()


def _flat(record: dict[str, Any], before: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in record.items():
        name = f"{before}{key}".replace(" ", "_")
        flat.update(_flat(value, f"{name}_") if isinstance(value, dict) else {name: value})
    return flat
