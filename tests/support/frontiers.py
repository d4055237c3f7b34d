"""Measured gates for pairs of tests: a careful one that keeps its promise and a loose one that does not."""

from dataclasses import asdict

from confspec_cli.core.frontier import MeasuredGate
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.real import Real

CAREFUL = MeasuredGate(
    "careful", Gate(Signal.LIKELIHOOD, accept=1.0, target=0.1), 90, 0.0, 0.02, *map(Real, (100, 10, 100, 20, 100, 4))
)
LOOSE = MeasuredGate(
    "loose", Gate(Signal.LIKELIHOOD, accept=0.1, target=0.1), 90, 0.3, 0.45, *map(Real, (100, 0, 5, 0, 100, 1))
)


def calibration(models, gates=(CAREFUL, LOOSE), bound=0.03):
    """A calibration as it stands in models.yaml, of models with these fingerprints; valid in any setting."""
    plain = [
        {**asdict(one), "gate": {"signal": "likelihood", "accept": one.gate.accept, "target": 0.1}} for one in gates
    ]
    return {
        "date": "2026-11-26", "data": "some", "problems": 100, "steps": 300, "method": "some", "models": list(models),
        "bound": bound, "confidence": 0.95, "frontier": plain,
    }  # fmt: skip
