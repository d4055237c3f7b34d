"""The status line: the pair, how full the context is, the thresholds and the acceptance rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from confspec_cli.core.engine import Engine
from confspec_cli.core.messages import Prompt
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Author


@dataclass(frozen=True, slots=True)
class Usage:
    """How many tokens of a context are used, for the model whose context is fullest."""

    used: int
    total: int

    @property
    def share(self) -> float:
        """The used fraction, 0 to 1."""
        return self.used / self.total if self.total else 0.0

    def __str__(self) -> str:
        return f"{self.used:,} of {self.total:,} tokens ({100 * self.share:.0f} %)"


def usage(prompt: Prompt | None, engines: Mapping[Author, Engine]) -> Usage:
    """How full the contexts are with this prompt; None means an empty one."""
    each = [Usage(engine.count(prompt) if prompt else 0, engine.card.context) for engine in engines.values()]
    return max(each, key=lambda one: one.share)


def place(engines: Mapping[Author, Engine]) -> str:
    """Where the models run."""
    cards = [engine.card for engine in engines.values()]
    places = {"server" if card.server else "GPU" if card.gpu_layers > 0 else "CPU" for card in cards}
    return " and ".join(sorted(places, reverse=True))


def items(pair: str, config: RunConfig, use: Usage, stats: RunStats, where: str) -> Sequence[str]:
    """The items of the status line, most important first."""
    said = [pair, f"context {use.used:,}/{use.total:,} {100 * use.share:.0f}%"]
    if config.mode is Mode.CONFSPEC:
        said.append(f"accept {config.gate.accept:.2f} reject {config.gate.reject:.2f}")
    if stats.accepted.whole:
        share = stats.accepted.part / stats.accepted.whole
        said.append(f"accepted {stats.accepted.part}/{stats.accepted.whole} {100 * share:.0f}%")
    return [*said, f"mode {config.mode.value}", where]


def fit(said: Sequence[str], width: int, dot: str) -> str:
    """As many items as fit on one line."""
    line = ""
    for item in said:
        longer = f"{line}{dot}{item}" if line else f" {item}"
        if len(longer) > width:
            break
        line = longer
    return line
