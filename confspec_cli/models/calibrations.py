"""What was measured of a pair, by the kind of work: gates, how they were measured, and what that holds for."""

from __future__ import annotations

from dataclasses import dataclass

from confspec_cli.core.frontier import MeasuredGate
from confspec_cli.core.gate import Gate
from confspec_cli.core.real import Real


@dataclass(frozen=True, slots=True)
class Gates:
    """The gates of a pair that were measured on one kind of work alone."""

    math: Gate | None = None
    qa: Gate | None = None
    code: Gate | None = None
    plain: Gate | None = None


@dataclass(frozen=True, slots=True)
class Setting:
    """What a calibration holds for, models aside: a gate measured in one setting says nothing about another.

    `prompts` is a hash of the system prompts for that kind of work.
    """

    prompts: str
    question: str
    temperature: Real
    max_step_tokens: int
    min_step_chars: int


@dataclass(frozen=True, slots=True)
class Calibration:
    """How gates were measured: the day, the problems and how many, the bound to keep and with what confidence.

    `models` are the sha256 of draft and target as they were; a gate measured on others is not to be trusted, nor one
    that was measured in another `setting`, where that is known. `frontier` are all gates that were measured.
    """

    date: str
    data: str
    problems: int
    method: str
    models: tuple[str, ...]
    bound: float | None = None
    confidence: float | None = None
    steps: int = 0
    setting: Setting | None = None
    frontier: tuple[MeasuredGate, ...] = ()


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The calibrations of a pair, by the kind of work."""

    math: Calibration | None = None
    qa: Calibration | None = None
    code: Calibration | None = None
    plain: Calibration | None = None
