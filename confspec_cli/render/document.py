"""The JSON document about a run: the one of `--format json`, a record of a batch, a turn of a session."""

from __future__ import annotations

import json
from typing import Any, TextIO

from confspec_cli.core.events import SCHEMA_VERSION, Event, RunFinished, RunStarted, StepCommitted, Warned, to_dict
from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Assessment, Author, Step
from confspec_cli.render.console import put


class RunRecord:
    """What there is to tell of one run, gathered from its events."""

    def __init__(self) -> None:
        self.started: RunStarted | None = None
        self._finished: RunFinished | None = None
        self._steps: list[dict[str, Any]] = []
        self._warnings: list[str] = []
        self._stats = RunStats()

    def add(self, event: Event) -> None:
        """Take in the next event."""
        self._stats.add(event)
        match event:
            case RunStarted():
                self.started = event
            case StepCommitted(step=step):
                self._steps.append(_step(step))
            case Warned(message=message):
                self._warnings.append(message)
            case RunFinished():
                self._finished = event

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; of a run that did not finish, `finish_reason` is null."""
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
            "stats": self._stats.to_dict(),
            "warnings": self._warnings,
        }


class Document:
    """Writes one document when the run finishes; for a run that broke off, on closing."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._record = RunRecord()

    def handle(self, event: Event) -> None:
        """Note it; write when it is the last."""
        if isinstance(event, RunStarted):
            self._record = RunRecord()
        self._record.add(event)
        if isinstance(event, RunFinished):
            self._write()

    def close(self) -> None:
        """Write what there is of a run that did not finish."""
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
        **_reading(step.assessment(Author.DRAFT)),
        "target": _reading(target) if target else None,
        "signal": step.confidence,
        "threshold": step.threshold,
        "cause": step.cause.value if step.cause else None,
        "rejected_text": step.rejected_text,
        "kept": step.kept,
        "kept_tokens": step.kept_tokens,
        "tokens": step.tokens,
        "seconds": step.seconds,
    }


def _reading(assessment: Assessment | None) -> dict[str, float | None]:
    verdict = assessment.verdict if assessment else None
    likelihood = assessment.likelihood if assessment else None
    return {
        "p": verdict.p if verdict else None,
        "certainty": verdict.label_mass if verdict else None,
        "lowest": likelihood.lowest_p if likelihood else None,
    }
