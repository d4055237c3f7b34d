"""Plots show every mode there is."""

import pytest

from confspec_cli.core.events import RunFinished
from confspec_cli.core.trace import FinishReason
from confspec_cli.evaluate.results import Conditions, Results, Run
from confspec_cli.evaluate.summary import summarise


def test_a_seventh_mode_is_drawn_too():
    pytest.importorskip("matplotlib", reason="needs the extra: pip install 'confspec-cli[bench]'")
    from matplotlib.figure import Figure

    from confspec_cli.evaluate.plots import _accuracy

    modes = [f"mode {n}" for n in range(7)]
    finished = RunFinished(FinishReason.STOP, "", "", None, 1.0)
    runs = [Run("p", mode, True, "test", (finished,)) for mode in modes]
    axes = Figure().subplots()
    _accuracy(axes, summarise(Results([Conditions("some", {}, {})], runs)))
    assert axes.get_legend_handles_labels()[1] == modes
