"""The single JSON document of `--format json`."""

from __future__ import annotations

import json
from typing import Any, TextIO

from confspec_cli.events import SCHEMA_VERSION, Event, RunFinished, RunStarted, StepCommitted, Warned, to_dict
from confspec_cli.render.console import put
from confspec_cli.stats import RunStats
from confspec_cli.trace import Author, Reading, Step


class Document:
    """Writes one document when the run finishes; for a run that broke off, on closing, `finish_reason` being null."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begin(None)

    def handle(self, event: Event) -> None:
        """Note it; write when it is the last."""
        if isinstance(event, RunStarted):
            self._begin(event)
        self._stats.add(event)
        match event:
            case StepCommitted(step=step):
                self._steps.append(_step(step))
            case Warned(message=message):
                self._warnings.append(message)
            case RunFinished():
                self._write(event)

    def close(self) -> None:
        """Write what there is of a run that did not finish."""
        if self._started is not None:
            self._write(None)

    def _begin(self, started: RunStarted | None) -> None:
        self._started = started
        self._steps: list[dict[str, Any]] = []
        self._warnings: list[str] = []
        self._stats = RunStats()

    def _write(self, finished: RunFinished | None) -> None:
        started = to_dict(self._started) if self._started else {}
        document = {
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
        self._begin(None)
        put(self._stream, json.dumps(document, indent=2) + "\n")


def _step(step: Step) -> dict[str, Any]:
    target = step.reading(Author.TARGET)
    return {
        "n": step.n,
        "origin": step.origin.value,
        "text": step.text,
        **_reading(step.reading(Author.DRAFT)),
        "target": _reading(target) if target else None,
        "signal": step.signal,
        "threshold": step.threshold,
        "cause": step.cause.value if step.cause else None,
        "rejected_text": step.rejected_text,
        "tokens": step.tokens,
        "seconds": step.seconds,
    }


def _reading(reading: Reading | None) -> dict[str, float | None]:
    verdict = reading.verdict if reading else None
    likelihood = reading.likelihood if reading else None
    return {
        "p": verdict.p if verdict else None,
        "certainty": verdict.certainty if verdict else None,
        "lowest": likelihood.lowest_p if likelihood else None,
    }
