"""Plots of a benchmark as SVG or PNG: distinct without colour, and the same bytes for the same results."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from confspec_cli.bench.summary import TARGET, Interval, Row, Summary
from confspec_cli.errors import UsageError

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito: apart for everyone
_SHAPES, _HATCHES = "osD^vP", ("", "///", "...", "xxx")


def draw(summaries: Sequence[Summary], folder: Path, suffix: str = "svg") -> list[Path]:
    """Draw accuracy against speed-up, and time by phase, for every summary. Raises UsageError without matplotlib."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise UsageError("Plots need matplotlib, which is not here.", "pip install 'confspec-cli[bench]'") from None
    folder.mkdir(parents=True, exist_ok=True)
    made = []
    with mpl.rc_context({"svg.hashsalt": "confspec", "font.size": 9}):
        for name, figure in _figures(summaries, Figure):
            path = folder / f"{name}.{suffix}"
            figure.savefig(path, metadata={"Date": None} if suffix == "svg" else None, bbox_inches="tight", dpi=150)
            made.append(path)
    return made


def _figures(summaries: Sequence[Summary], kind: Any) -> Iterator[tuple[str, Any]]:
    drawable = [summary for summary in summaries if summary.rows]
    if not drawable:
        return
    figure = kind(figsize=(3.6 * len(drawable), 3.2), layout="constrained")
    for axes, summary in zip(_side_by_side(figure, len(drawable)), drawable, strict=True):
        _accuracy(axes, summary)
    yield "accuracy", figure
    figure = kind(figsize=(3.6 * len(drawable), 2.8), layout="constrained")
    for axes, summary in zip(_side_by_side(figure, len(drawable)), drawable, strict=True):
        _phases(axes, summary)
    yield "phases", figure


def _side_by_side(figure: Any, count: int) -> list[Any]:
    return list(figure.subplots(1, count, squeeze=False)[0])


def _accuracy(axes: Any, summary: Summary) -> None:
    """A point a mode, with its intervals both ways."""
    for row, colour, shape in zip(summary.rows, _COLOURS, _SHAPES, strict=False):
        if row.accuracy is None:
            continue
        speed = row.speedup or Interval(1.0, 1.0, 1.0)
        axes.errorbar(
            speed.value,
            100 * row.accuracy.value,
            xerr=[[speed.value - speed.low], [speed.high - speed.value]],
            yerr=[
                [100 * (row.accuracy.value - row.accuracy.low)],
                [100 * (row.accuracy.high - row.accuracy.value)],
            ],
            fmt=shape,
            color=colour,
            capsize=2,
            label=row.mode,
        )
    axes.axvline(1.0, color="0.7", linewidth=0.8, zorder=0)
    axes.set(xlabel="speed-up over the target alone", ylabel="right, %", ylim=(0, 104))
    axes.set_title(f"{summary.name}, {summary.problems} problems", fontsize=9)
    axes.legend(frameon=False, fontsize=8)


def _phases(axes: Any, summary: Summary) -> None:
    """A bar a mode, of seconds by what they were spent on."""
    rows: list[Row] = summary.rows[::-1]
    left = [0.0] * len(rows)
    for phase, colour, hatch in zip(rows[0].phases, _COLOURS, _HATCHES, strict=False):
        seconds = [row.phases[phase] for row in rows]
        axes.barh(
            [row.mode for row in rows], seconds, left=left, color=colour, hatch=hatch, edgecolor="white", label=phase
        )
        left = [start + more for start, more in zip(left, seconds, strict=True)]
    alone = next((sum(row.phases.values()) for row in rows if row.mode == TARGET), None)
    if alone:
        axes.axvline(alone, color="0.4", linewidth=0.8)
    axes.set(xlabel="mean seconds a problem")
    axes.set_title(f"{summary.name}, {summary.problems} problems", fontsize=9)
    axes.legend(frameon=False, fontsize=7)
