"""Plots of a benchmark as SVG or PNG: distinct without colour, and the same bytes for the same results."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import cycle
from pathlib import Path
from typing import Any

from confspec_cli.core.frontier import MeasuredGate, TokenCosts
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.calibration import Knowledge
from confspec_cli.evaluate.rejudging import Swept
from confspec_cli.evaluate.statistics import Interval
from confspec_cli.evaluate.summary import TARGET, Row, Summary
from confspec_cli.files import write_atomically

_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00")  # Okabe and Ito: apart for everyone
_SHAPES, _HATCHES = "osD^vP*X", ("", "///", "...", "xxx")


def draw(summaries: Sequence[Summary], folder: Path, suffix: str = "svg") -> list[Path]:
    """Draw accuracy against speed-up, and time by phase, for every summary. Raises UsageError without matplotlib."""
    with _drawing() as kind:
        folder.mkdir(parents=True, exist_ok=True)
        return [_saved(figure, folder / f"{name}.{suffix}") for name, figure in _figures(summaries, kind)]


@contextmanager
def _drawing() -> Iterator[Any]:
    """The class of figures, and while this holds they come out the same. Raises UsageError without matplotlib."""
    try:
        import matplotlib as mpl  # noqa: PLC0415 - an extra, and slow to import
        from matplotlib.figure import Figure  # noqa: PLC0415
    except ImportError:
        raise UsageError(
            "Plots need matplotlib, which is not installed.", "pip install 'confspec-cli[bench]'"
        ) from None
    with mpl.rc_context({"svg.hashsalt": "confspec", "font.size": 9}):
        yield Figure


def _saved(figure: Any, path: Path) -> Path:
    kind = path.suffix.removeprefix(".")
    picture = io.BytesIO()
    metadata = {"Date": None} if kind == "svg" else None
    figure.savefig(picture, format=kind, metadata=metadata, bbox_inches="tight", dpi=150)
    write_atomically(path, picture.getvalue())
    return path


def draw_calibration(
    known: Sequence[Knowledge],
    frontier: Sequence[MeasuredGate],
    costs: TokenCosts | None,
    folder: Path,
    suffix: str = "svg",
) -> list[Path]:
    """Draw how reliable the three signals are that know most, and loss and speed-up over the gates tried."""
    pictures: list[tuple[str, Callable[[Any], None]]] = []
    if known:
        pictures.append(("reliability", lambda axes: _reliability(axes, known[:3])))
    if costs:
        pictures.append(("frontier", lambda axes: _lost(axes, frontier, costs)))
    with _drawing() as kind:
        folder.mkdir(parents=True, exist_ok=True)
        return [_saved(_single(kind, fill), folder / f"{name}.{suffix}") for name, fill in pictures]


def draw_sweep(swept: Sequence[Swept], folder: Path, suffix: str = "svg") -> list[Path]:
    """Draw what the gate would accept and escalate over its thresholds; nothing where it judged nothing."""
    if not swept:
        return []
    with _drawing() as kind:
        figure = _single(kind, lambda axes: _decided(axes, swept))
        return [_saved(figure, folder / f"sweep.{suffix}")]


def _decided(axes: Any, swept: Sequence[Swept]) -> None:
    accept = [one.accept for one in swept]
    lines = (("accepted unasked", [one.accepted for one in swept]), ("escalated", [one.escalated for one in swept]))
    for (label, shares), colour, style in zip(lines, _COLOURS, ("-", "--"), strict=False):
        axes.plot(accept, shares, style, color=colour, drawstyle="steps-post", label=label)
    axes.set(xlabel="accept from here on", ylabel="steps the draft judged", xlim=(0, 1), ylim=(0, 1.04))
    axes.legend(frameon=False, fontsize=8)


def _single(kind: Any, fill: Callable[[Any], None]) -> Any:
    figure = kind(figsize=(4.2, 3.4), layout="constrained")
    fill(figure.subplots())
    return figure


def _reliability(axes: Any, known: Sequence[Knowledge]) -> None:
    """The share of steps that were right over the mean of the signal; on the diagonal a signal is a probability."""
    axes.plot([0, 1], [0, 1], color="0.7", linewidth=0.8)
    for one, colour, shape in zip(known, _COLOURS, _SHAPES, strict=False):
        label = f"{one.by.value}: {one.signal}"
        axes.plot(
            [some.mean for some in one.bins], [some.share for some in one.bins], shape + "-", color=colour, label=label
        )
    axes.set(xlabel="mean of the signal", ylabel="share of steps that were right", xlim=(0, 1), ylim=(0, 1.04))
    axes.legend(frameon=False, fontsize=8)


def _lost(axes: Any, frontier: Sequence[MeasuredGate], costs: TokenCosts) -> None:
    """Each gate tried: the share of the target's right answers it lost, and the bound on that, over its speed-up."""
    speedups = [one.alone * costs.writing / (costs.seconds(one.work) or 1.0) for one in frontier]
    axes.plot(speedups, [one.bound for one in frontier], "s", color=_COLOURS[1], label="at most")
    axes.plot(speedups, [one.lost for one in frontier], "o", color=_COLOURS[0], label="lost here")
    axes.axvline(1.0, color="0.7", linewidth=0.8, zorder=0)
    axes.set(xlabel="estimated speed-up over the target alone", ylabel="its right answers lost", ylim=(0, None))
    axes.legend(frameon=False, fontsize=8)


def _figures(summaries: Sequence[Summary], kind: Any) -> Iterator[tuple[str, Any]]:
    drawable = [summary for summary in summaries if summary.rows]
    if not drawable:
        return
    modes = dict.fromkeys(row.mode for summary in drawable for row in summary.rows)
    marks = dict(zip(modes, zip(cycle(_COLOURS), cycle(_SHAPES), strict=False), strict=False))
    yield "accuracy", _side_by_side(kind, 3.5, drawable, lambda axes, summary: _accuracy(axes, summary, marks))
    yield "phases", _side_by_side(kind, 3.1, drawable, _phases)


def _side_by_side(kind: Any, height: float, summaries: Sequence[Summary], fill: Callable[[Any, Summary], None]) -> Any:
    """A figure with axes for each summary, and one legend for all of them."""
    figure = kind(figsize=(3.6 * len(summaries), height), layout="constrained")
    found: dict[str, Any] = {}
    for axes, summary in zip(figure.subplots(1, len(summaries), squeeze=False)[0], summaries, strict=True):
        fill(axes, summary)
        axes.set_title(f"{summary.name}, {summary.problems} problems", fontsize=9)
        handles, labels = axes.get_legend_handles_labels()
        found |= dict(zip(labels, handles, strict=True))
    figure.legend(
        found.values(), found, loc="outside lower center", ncols=3 * len(summaries), frameon=False, fontsize=8
    )
    return figure


def _accuracy(axes: Any, summary: Summary, marks: Mapping[str, tuple[str, str]]) -> None:
    """A point a mode, with its intervals both ways."""
    for row in summary.rows:
        if row.accuracy is None:
            continue
        colour, shape = marks[row.mode]
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
