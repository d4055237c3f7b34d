"""Which of a pair's measured gates is used: the one named, or the one that takes least time on this machine."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from confspec_cli.core.engine import Engine
from confspec_cli.core.frontier import ALONE, ChoiceReason, GateChoice, MeasuredGate, choose
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.errors import UsageError, did_you_mean
from confspec_cli.models.registry import Pair
from confspec_cli.runtime.configure import setting_of
from confspec_cli.runtime.device_costs import costs_here
from confspec_cli.runtime.options import RunOptions

AUTO = "auto"


def check_gate(pair: Pair, config: RunConfig, options: RunOptions) -> None:
    """Raise UsageError for a gate asked for that was never measured, or that thresholds would change."""
    if options.gate is None or options.mode is not Mode.CONFSPEC:
        return
    if _has_thresholds(options):
        raise UsageError("A gate named by --gate brings its own thresholds.", "leave out --gate, or the thresholds")
    task = config.task.name.value
    frontier = _frontier(pair, config)[0]
    if not frontier and options.gate != AUTO:
        raise UsageError(
            f'{pair.name} has no measured gates for task "{task}".', f"confspec calibrate {pair.name} FILE"
        )
    names = [AUTO, ALONE, *(one.name for one in frontier)]
    if options.gate not in names:
        guess = did_you_mean(options.gate, names)
        raise UsageError(
            f'There is no gate "{options.gate}"{guess or "."} Gates of {pair.name} for {task}: {", ".join(names)}.',
            "--gate auto",
        )


def with_gate_of_choice(
    config: RunConfig, pair: Pair, options: RunOptions, models: Mapping[Author, Engine]
) -> RunConfig:
    """The configuration with its gate chosen for this machine; unchanged where no gates were measured to choose from.

    Where the target alone is faster, drafting is not begun; within a run it is tried now and then.
    """
    frontier, bound = _frontier(pair, config)
    if config.mode is not Mode.CONFSPEC or not frontier or _has_thresholds(options) or len(models) < len(Author):
        return config
    costs, is_measured = costs_here(models)
    choice = replace(choose(frontier, bound, costs), is_measured=is_measured)
    if options.gate not in (None, AUTO):
        named = next((one for one in frontier if one.name == options.gate), None)
        seconds = costs.seconds(named.work) if named else choice.alone
        gate = named.gate if named else None
        choice = GateChoice(str(options.gate), gate, seconds, choice.alone, ChoiceReason.ASKED_FOR, is_measured)
    gate = choice.gate or replace(config.gate, worth_drafting=False)
    return replace(config, gate=gate, choice=choice)


def _frontier(pair: Pair, config: RunConfig) -> tuple[tuple[MeasuredGate, ...], float]:
    """The gates measured for this kind of work in this setting, and the loss that is promised not to be exceeded."""
    task = config.task.name
    calibration = getattr(pair.trusting_in(task, setting_of(config)).calibrations, task.value)
    return (calibration.frontier, calibration.bound or 0.0) if calibration else ((), 0.0)


def _has_thresholds(options: RunOptions) -> bool:
    return any(one is not None for one in (options.accept, options.reject, options.min_token_prob))
