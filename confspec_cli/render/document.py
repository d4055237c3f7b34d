"""The JSON document about a run: for `--format json`, batch records and exported sessions."""

from __future__ import annotations

import json
from typing import Any, TextIO

from confspec_cli.core.events import (
    SCHEMA_VERSION,
    Event,
    GateChosen,
    RunFinished,
    RunStarted,
    StepCommitted,
    Warned,
    to_dict,
)
from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Assessment, Author, Step
from confspec_cli.render.console import put


class RunRecord:
    """Collects the events of a run into one record."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self._finished: RunFinished | None = None
        self._steps: list[dict[str, Any]] = []
        self._warnings: list[str] = []
        self._gate: dict[str, Any] | None = None
        self._stats = RunStats()

    def add(self, event: Event) -> None:
        """Add the next event."""
        self._stats.add(event)
        match event:
            case RunStarted():
                self.started = event
            case StepCommitted(step=step):
                self._steps.append(_step(step))
            case GateChosen():
                self._gate = to_dict(event)
                del self._gate["event"]
            case Warned(message=message):
                self._warnings.append(message)
            case RunFinished():
                self._finished = event

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; `finish_reason` is null for a run that did not start."""
        started = to_dict(self.started) if self.started else {}
        finished = self._finished
        return {
            "schema_version": SCHEMA_VERSION,
            "answer": finished.answer if finished else None,
            "reply": finished.reply if finished else None,
            "partial": finished.partial if finished else None,
            "finish_reason": finished.reason if finished else None,
            "steps": self._steps,
            **{key: started.get(key) for key in ("prompt", "system", "mode", "models", "parameters")},
            "gate": self._gate,
            "stats": self._stats.to_dict(),
            "warnings": self._warnings,
        }


class Document:
    """Writes one document when the run finishes, or when closed if it never does."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._record = RunRecord()

    def handle(self, event: Event) -> None:
        """Add the event; write the document after the last one."""
        if isinstance(event, RunStarted):
            self._record = RunRecord()
        self._record.add(event)
        if isinstance(event, RunFinished):
            self._write()

    def close(self) -> None:
        """Write the document of a run that did not finish."""
        if self._record.started is not None:
            self._write()

    def _write(self) -> None:
        document = self._record.to_dict()
        self._record = RunRecord()
        put(self._stream, json.dumps(document, indent=2) + "\n")


def _step(step: Step) -> dict[str, Any]:
    target = step.assessment(Author.TARGET)
    return {
        "n": step.n,
        "origin": step.origin.value,
        "text": step.text,
        **_assessment(step.assessment(Author.DRAFT)),
        "target": _assessment(target) if target else None,
        "confidence": step.confidence,
        "threshold": step.threshold,
        "cause": step.cause.value if step.cause else None,
        "rejected_text": step.rejected_text,
        "kept": step.kept,
        "kept_tokens": step.kept_tokens,
        "tokens": step.tokens,
        "seconds": step.seconds,
    }


def _assessment(assessment: Assessment | None) -> dict[str, float | None]:
    verdict = assessment.verdict if assessment else None
    likelihood = assessment.likelihood if assessment else None
    return {
        "p": verdict.p if verdict else None,
        "label_mass": verdict.label_mass if verdict else None,
        "lowest": likelihood.lowest_p if likelihood else None,
    }
