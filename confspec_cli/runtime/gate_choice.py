"""Which of a pair's measured gates is used: the one named, or the one that takes least time on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from confspec_cli.core.engine import Engine
from confspec_cli.core.frontier import ALONE, ChoiceReason, GateChoice, MeasuredGate, TokenCosts, choose, fastest
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import UsageError, did_you_mean
from confspec_cli.models.registry import Pair
from confspec_cli.runtime.configure import build_config, setting_of
from confspec_cli.runtime.device_costs import costs_here
from confspec_cli.runtime.options import RunOptions

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class Frontier:
    """The gates measured for a kind of work, and the share of the target's right answers that may be lost to them."""

    gates: tuple[MeasuredGate, ...] = ()
    bound: float = 0.0
    confidence: float = 0.0

    @property
    def keeping(self) -> list[MeasuredGate]:
        """The gates that keep the promise."""
        return [one for one in self.gates if one.bound <= self.bound]

    def choice(self, costs: TokenCosts) -> GateChoice:
        """What is used at these costs."""
        return choose(self.gates, self.bound, costs)


def frontiers(pair: Pair) -> dict[TaskName, Frontier]:
    """The gates measured for each kind of work, as far as they hold for the usual settings."""
    every = {task: frontier_of(pair, build_config(pair, RunOptions(task=task))) for task in TaskName}
    return {task: one for task, one in every.items() if one.gates}


def frontier_of(pair: Pair, config: RunConfig) -> Frontier:
    """The gates measured for this kind of work in this setting."""
    task = config.task.name
    calibration = getattr(pair.trusting_in(task, setting_of(config)).calibrations, task.value)
    if calibration is None:
        return Frontier()
    return Frontier(calibration.frontier, calibration.bound or 0.0, calibration.confidence or 0.0)


def gate_names(pair: Pair, config: RunConfig) -> list[str]:
    """What --gate may name."""
    names = [one.name for one in frontier_of(pair, config).gates]
    return [AUTO, ALONE, *names] if names else [AUTO]


def check_gate(pair: Pair, config: RunConfig, options: RunOptions) -> None:
    """Raise UsageError for a gate asked for that was never measured, or that thresholds would change."""
    if options.gate is None or options.mode is not Mode.CONFSPEC:
        return
    if options.has_thresholds:
        raise UsageError("A gate named by --gate brings its own thresholds.", "leave out --gate, or the thresholds")
    task, names = config.task.name.value, gate_names(pair, config)
    if options.gate in names:
        return
    if names == [AUTO]:
        raise UsageError(
            f'{pair.name} has no measured gates for task "{task}".', f"confspec calibrate {pair.name} FILE"
        )
    guess = did_you_mean(options.gate, names)
    raise UsageError(
        f'There is no gate "{options.gate}"{guess or "."} Gates of {pair.name} for {task}: {", ".join(names)}.',
        "--gate auto",
    )


def with_gate_of_choice(
    config: RunConfig, pair: Pair, options: RunOptions, models: Mapping[Author, Engine]
) -> RunConfig:
    """The configuration with its gate chosen for this machine; unchanged where no gates were measured to choose from.

    Where the target alone is faster, drafting is not begun; later runs may try the fastest gate. If
    every step is to be drafted, that gate is used all the same, or the pair's own where none keeps the promise.
    """
    frontier = frontier_of(pair, config)
    if config.mode is not Mode.CONFSPEC or not frontier.gates or options.has_thresholds or len(models) < len(Author):
        return config
    costs, is_measured = costs_here({author: model.card for author, model in models.items()})
    choice = frontier.choice(costs)
    best = fastest(frontier.keeping, costs)
    if options.gate not in (None, AUTO):
        best = next((one for one in frontier.gates if one.name == options.gate), None)
        choice = replace(_chosen(best, costs, choice.alone), reason=ChoiceReason.ASKED_FOR)
    elif not config.adaptive:
        if best is None:
            return config
        choice = _chosen(best, costs, choice.alone)
    gate = replace(best.gate if best else config.gate, worth_drafting=choice.gate is not None)
    usual_tokens = max(one.alone for one in frontier.gates)
    choice = replace(choice, is_measured=is_measured, usual_tokens=usual_tokens)
    return replace(config, gate=gate, choice=choice)


def _chosen(one: MeasuredGate | None, costs: TokenCosts, alone: float) -> GateChoice:
    """A gate as the choice, or the target alone."""
    return (
        GateChoice(one.name, one.gate, costs.seconds(one.work), alone) if one else GateChoice(ALONE, None, alone, alone)
    )
