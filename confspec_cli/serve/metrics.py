"""Counters for /metrics, in Prometheus' text format."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Author

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
_COUNTERS = {
    "requests": "Requests by outcome: a finish reason, or the code of an error.",
    "steps": "Committed steps by origin.",
    "verifications": "Decisions about drafted steps, by the model whose confidence decided.",
    "tokens": "Committed tokens by author.",
    "discarded_tokens": "Drafted tokens that were thrown away.",
    "prompt_tokens": "Tokens of prompts.",
    "seconds": "Time inside the models, by model and phase.",
    "run_seconds": "Time from the first to the last event of runs.",
    "queue_seconds": "Time that requests waited for the models.",
}
_GAUGES = {"waiting": "Requests that wait for the models.", "running": "Requests that are being answered."}


class Metrics:
    """Sums over all requests since the server started."""

    def __init__(self) -> None:
        self._sums: Counter[tuple[str, str]] = Counter()

    def add_run(self, stats: RunStats, prompt_tokens: int, waited: float) -> None:
        """Count what a run took, whether or not it was finished."""
        for origin, steps in stats.steps.items():
            self._add("steps", steps, origin=origin.value)
        for author in Author:
            self._add("tokens", stats.tokens[author], author=author.value)
            decisions = stats.draft_decisions if author is Author.DRAFT else stats.target_decisions
            for decision, steps in decisions.items():
                self._add("verifications", steps, model=author.value, decision=decision.value)
            phases = {"decode": stats.decode, "prefill": stats.prefill, "verification": stats.verification}
            for phase, seconds in phases.items():
                self._add("seconds", seconds[author], model=author.value, phase=phase)
        self._add("discarded_tokens", stats.wasted_tokens)
        self._add("prompt_tokens", prompt_tokens)
        self._add("run_seconds", stats.seconds)
        self._add("queue_seconds", waited)

    def add_request(self, outcome: str) -> None:
        """Count a request by what became of it."""
        self._add("requests", 1, outcome=outcome)

    def page(self, gauges: Mapping[str, int]) -> str:
        """All of it as text."""
        lines = []
        for name, meaning in _COUNTERS.items():
            lines += [f"# HELP confspec_{name}_total {meaning}", f"# TYPE confspec_{name}_total counter"]
            lines += [
                f"confspec_{name}_total{labels} {value}" for (of, labels), value in self._sums.items() if of == name
            ]
        for name, meaning in _GAUGES.items():
            lines += [f"# HELP confspec_{name} {meaning}", f"# TYPE confspec_{name} gauge"]
            lines.append(f"confspec_{name} {gauges[name]}")
        return "\n".join(lines) + "\n"

    def _add(self, name: str, amount: float, **labels: str) -> None:
        inner = ",".join(f'{key}="{value}"' for key, value in labels.items())
        self._sums[name, f"{{{inner}}}" if inner else ""] += amount  # type: ignore[assignment]  # Counter says int
