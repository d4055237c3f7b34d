"""A pair's measured gates at other devices' costs: which is used there, how fast, and where each begins to pay."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean

from confspec_cli.core.frontier import ALONE, ChoiceReason, GateChoice, MeasuredGate, TokenCosts
from confspec_cli.core.tasks import TaskName
from confspec_cli.evaluate.devices import DeviceProfile
from confspec_cli.evaluate.projection import crossings
from confspec_cli.evaluate.tables import Table
from confspec_cli.runtime.gate_choice import Frontier

GIVEN = "as given"
"""The name of the device that stands for costs that were given by hand."""

Devices = Mapping[str, DeviceProfile | TokenCosts]
"""What tokens cost, by the name of the device; the last is the one that is looked at closely."""


def frontier_projection(frontiers: Mapping[TaskName, Frontier], devices: Devices) -> list[Table]:
    """For each kind of work the gate that is used on each device, and from which costs on each gate pays."""
    return [table for task, frontier in frontiers.items() for table in _tables(task, frontier, devices)]


def _tables(task: TaskName, frontier: Frontier, devices: Devices) -> list[Table]:
    batch = _batch(frontier.gates)
    costs = {name: one.costs(batch) if isinstance(one, DeviceProfile) else one for name, one in devices.items()}
    promise = (
        f"at most {frontier.bound:.0%} of the target's right answers lost, with {frontier.confidence:.0%} confidence"
    )
    chosen = Table(
        f"{task.value}: the gate used on each device, {promise}; projected from tokens per answer, not measured",
        ("device", "cost ratio", "reading price", "gate", "speed-up"),
        [_row(name, one, frontier.choice(one)) for name, one in costs.items()],
    )
    name, last = list(costs.items())[-1]
    whose = "the costs given" if name == GIVEN else f"the costs of {name}"
    works = {one.name + ("" if one in frontier.keeping else " (loses more)"): one.work for one in frontier.gates}
    return [chosen, crossings(works, *_ratio_and_price(last), whose)]


def _row(name: str, costs: TokenCosts, choice: GateChoice) -> tuple[str, ...]:
    ratio, price = _ratio_and_price(costs)
    gate = f"{ALONE}, as none keeps that" if choice.reason is ChoiceReason.NONE_KEEPS else choice.name
    return name, f"{ratio:.2f}", f"{price:.3f}", gate, f"{choice.speedup:.2f}"


def _ratio_and_price(costs: TokenCosts) -> tuple[float, float]:
    return costs.writing / costs.drafting, costs.reading / costs.writing


def _batch(gates: Sequence[MeasuredGate]) -> float:
    """The mean length of the steps that the target reads; 0 where they were not counted."""
    return fmean(one.read / one.reads for one in gates if one.reads) if any(one.reads for one in gates) else 0.0
