"""Plots show every mode there is, and a mode looks the same in all of them."""

import pytest

from confspec_cli.core.events import RunFinished
from confspec_cli.core.trace import FinishReason
from confspec_cli.evaluate.results import Conditions, Results, Run
from confspec_cli.evaluate.summary import summarise


def test_a_seventh_mode_is_drawn_too_and_each_has_one_colour():
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'confspec-cli[bench]'")
    from matplotlib.figure import Figure

    from confspec_cli.evaluate.plots import _figures

    modes = [f"mode {n}" for n in range(7)]
    finished = RunFinished(FinishReason.STOP, "", "", None, 1.0)
    runs = [Run("p", mode, True, "test", (finished,)) for mode in modes]
    summaries = [summarise(Results([Conditions("some", {}, {})], some)) for some in (runs, runs[3:])]
    figure = dict(_figures(summaries, Figure))["accuracy"]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == modes
    first, second = ({bar.get_label(): bar[0].get_color() for bar in axes.containers} for axes in figure.axes)
    assert second == {mode: first[mode] for mode in modes[3:]}
