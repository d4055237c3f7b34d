"""What tokens cost a pair's models on named devices: profiles in a plain file, some of which ship.

A profile says how many seconds each model takes to write a token, and the target to read a batch of so many tokens:
{"device": "...", "pair": "starter", "draft": {"write": s}, "target": {"write": s, "read": {"8": s, "64": s}}}.
"""

from __future__ import annotations

import importlib.resources
import json
import math
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from confspec_cli.core.frontier import TokenCosts
from confspec_cli.errors import UsageError

_STEP = 32.0  # tokens of a step, where it was not counted how many there were
_FORM = '{"device": "...", "pair": "...", "draft": {"write": s}, "target": {"write": s, "read": {"64": s}}}'


@dataclass(frozen=True, slots=True)
class DeviceProfile:
    """Seconds on a `device`: for the draft and the target to write a token, and for the target to read batches.

    `reads` are sizes of batches in tokens, ascending, each with its seconds.
    """

    device: str
    pair: str
    drafting: float
    writing: float
    reads: tuple[tuple[float, float], ...]

    def costs(self, batch: float = 0.0) -> TokenCosts:
        """What a token costs where the target reads steps of `batch` tokens at once, of the usual length for 0."""
        batch = batch or _STEP
        return TokenCosts(self.drafting, self._seconds(batch) / batch, self.writing)

    def _seconds(self, batch: float) -> float:
        """Seconds of a batch, on the lines between those that were measured; per token beyond the largest."""
        largest, most = self.reads[-1]
        if batch >= largest:
            return most * batch / largest
        steps = ((low, high) for low, high in pairwise(self.reads) if low[0] <= batch <= high[0])
        (low, below), (high, above) = next(steps, (self.reads[0], self.reads[0]))
        return below + (above - below) * (batch - low) / (high - low) if high > low else below


def shipped_devices() -> list[DeviceProfile]:
    """The profiles that come with confspec."""
    text = (importlib.resources.files("confspec_cli.evaluate") / "devices.json").read_text(encoding="utf-8")
    return devices_of(json.loads(text), "devices.json")


def devices_of(table: Any, name: str) -> list[DeviceProfile]:
    """The profiles in the JSON of a file, one or a list of them. Raises UsageError for what is none."""
    try:
        first, *more = table if isinstance(table, list) else [table]
        return [_profile(one) for one in (first, *more)]
    except (AttributeError, KeyError, TypeError, ValueError) as problem:
        raise UsageError(f"{name} holds no profile of a device, such as {_FORM}.") from problem


def _profile(table: Any) -> DeviceProfile:
    draft, target = (_positive(table[author]["write"]) for author in ("draft", "target"))
    reads = {_positive(batch): _positive(seconds) for batch, seconds in table["target"]["read"].items()}
    if not reads:
        raise ValueError(table)
    reads.setdefault(1.0, target)  # to read one token is to write one, all but choosing it
    return DeviceProfile(str(table["device"]), str(table["pair"]), draft, target, tuple(sorted(reads.items())))


def _positive(value: Any) -> float:
    number = float(value)
    if not 0 < number < math.inf:
        raise ValueError(value)
    return number
