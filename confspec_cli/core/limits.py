"""The settings of a run, resolved: flag, then environment, then the pair's models.yaml, then what stands here.

Typer reads flags and their CONFSPEC_* variables; this module lays them over the pair. Unknown keys never get this far.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.errors import ConfigError, UsageError

MAX_TOKENS = 2048
MAX_STEP_TOKENS = 200
MIN_STEP_CHARS = 48


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The gate's bounds as a person gave them, 0..1; None is the pair's own."""

    accept: float | None = None
    reject: float | None = None
    min_token_prob: float | None = None

    def over(self, gate: Gate) -> Gate:
        """Lay them over a pair's gate; one alone moves the other along where they would cross.

        Raises UsageError when one is outside 0..1 or both are given crossed.
        """
        for name, value in (
            ("--accept", self.accept),
            ("--reject", self.reject),
            ("--min-token-prob", self.min_token_prob),
        ):
            if value is not None and not 0 <= value <= 1:
                raise UsageError(f"{name} {value:g} is not between 0 and 1.", "confspec ask --help")
        if self.accept is not None and self.reject is not None and self.accept < self.reject:
            raise UsageError(
                f"--accept {self.accept:g} is below --reject {self.reject:g}: no step could be both.",
                f"--accept {self.reject:g} --reject {self.accept:g}",
            )
        accept = gate.accept if self.accept is None else self.accept
        reject = gate.reject if self.reject is None else self.reject
        if accept < reject:
            accept, reject = (accept, accept) if self.reject is None else (reject, reject)
        return replace(
            gate,
            accept=accept,
            reject=reject,
            min_token_prob=gate.min_token_prob if self.min_token_prob is None else self.min_token_prob,
        )


@dataclass(frozen=True, slots=True)
class Lengths:
    """Token budgets; None is the pair's own, then the built-in one. Step characters are counted without headings."""

    max_tokens: int | None = None
    max_step_tokens: int | None = None
    min_step_chars: int | None = None

    def over(self, pair: Lengths) -> Lengths:
        """Lay them over a pair's lengths and the built-in ones."""
        return Lengths(
            self.max_tokens or pair.max_tokens or MAX_TOKENS,
            self.max_step_tokens or pair.max_step_tokens or MAX_STEP_TOKENS,
            pair.min_step_chars if self.min_step_chars is None else self.min_step_chars,
        )


def config(mode: Mode, gate: Gate, question: str, sampling: Sampling, lengths: Lengths) -> RunConfig:
    """The rules of a run. Raises ConfigError when no such verification question exists."""
    if question not in QUESTIONS:
        raise ConfigError(f"There is no verification question {question!r}; there are: {', '.join(QUESTIONS)}.")
    return RunConfig(
        mode=mode,
        gate=gate,
        question=QUESTIONS[question],
        sampling=sampling,
        max_tokens=lengths.max_tokens or MAX_TOKENS,
        max_step_tokens=lengths.max_step_tokens or MAX_STEP_TOKENS,
        min_step_chars=MIN_STEP_CHARS if lengths.min_step_chars is None else lengths.min_step_chars,
    )
