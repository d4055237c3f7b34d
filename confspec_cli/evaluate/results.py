"""What a benchmark leaves behind: a line for the conditions it ran under, and a line for every run.

Knows lines and events; refuses to know how a problem is solved or a table drawn. A run holds its events without the
text as it was written piece by piece, so that everything else can be told, judged and projected again later.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from confspec_cli.core.events import Event, RunFinished, RunStarted, StepOpened, TextWritten, from_dict, to_dict
from confspec_cli.core.legacy_events import upgrade_parameters
from confspec_cli.core.stats import RunStats, fold
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.problems import Problem
from confspec_cli.storage.jsonl_log import parsed

SCHEMA_VERSION = 1


def without_speculation(mode: str) -> str:
    """The mode that a name such as `confspec+auto` adds token speculation to."""
    return mode.partition("+")[0]


@dataclass(frozen=True)
class Run:
    """One problem solved in one mode.

    `correct` is None where nothing could grade it, `graded_by` says what did. `events` are those of the run, bar the
    pieces of text. `reply_sha256` tells whether two runs said the same, `problem_sha256`, where it is known, whether
    they are of the same problem. `task` is the kind of work.
    """

    problem: str
    mode: str
    correct: bool | None
    graded_by: str
    events: tuple[Event, ...]
    reply_sha256: str = ""
    error: str | None = None
    task: str = ""
    problem_sha256: str = ""

    @cached_property
    def stats(self) -> RunStats:
        """The statistics of the run."""
        return fold(self.events)

    @property
    def seconds(self) -> float:
        """Seconds the run took."""
        return self.stats.seconds

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "schema_version": SCHEMA_VERSION,
            "record": "run",
            "id": self.problem,
            "mode": self.mode,
            "task": self.task,
            "correct": self.correct,
            "graded_by": self.graded_by,
            "error": self.error,
            "reply_sha256": self.reply_sha256,
            "problem_sha256": self.problem_sha256,
            "events": [to_dict(event) for event in self.events],
        }


@dataclass(frozen=True, slots=True)
class Conditions:
    """What a benchmark ran under.

    `fixed` must be the same when it is resumed: the models, the settings by mode. `circumstances` may change and are
    noted: the machine, the versions, the date, how many problems there are.
    """

    name: str
    fixed: dict[str, Any]
    system_snapshot: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary."""
        return {
            "schema_version": SCHEMA_VERSION,
            "record": "conditions",
            "name": self.name,
            "fixed": self.fixed,
            "circumstances": self.system_snapshot,
        }


@dataclass(frozen=True, slots=True)
class Results:
    """Everything in one file of results, in the order it was written."""

    conditions: list[Conditions] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)

    @property
    def modes(self) -> list[str]:
        """The modes there are runs of."""
        return list(dict.fromkeys(run.mode for run in self.runs))

    def complete(self) -> dict[str, dict[str, Run]]:
        """By problem and mode: the runs of the problems that every mode has solved, or failed at."""
        by_problem: dict[str, dict[str, Run]] = {}
        for run in self.runs:
            by_problem.setdefault(run.problem, {})[run.mode] = run
        return {problem: runs for problem, runs in by_problem.items() if len(runs) == len(self.modes)}

    def of(self, mode: str) -> dict[str, Run]:
        """The runs of a mode by problem, but for those that failed."""
        return {run.problem: run for run in self.runs if run.mode == mode and run.error is None}

    def finished(self) -> dict[str, dict[str, Run]]:
        """The same, of the problems that no mode failed at."""
        return {
            problem: runs
            for problem, runs in self.complete().items()
            if all(run.error is None for run in runs.values())
        }


def kept(events: Iterable[Event]) -> tuple[Event, ...]:
    """The events a record holds."""
    return tuple(event for event in events if not isinstance(event, TextWritten | StepOpened | RunStarted))


def run_of(
    problem: Problem, mode: str, events: Sequence[Event], graded: tuple[bool | None, str], error: str | None
) -> Run:
    """The record of a run from all its events."""
    reply = next((event.reply for event in events if isinstance(event, RunFinished)), "")
    digest = hashlib.sha256(reply.encode()).hexdigest()
    return Run(problem.id, mode, *graded, kept(events), digest, error, problem.task.value, problem.sha256)


def read_results(lines: Sequence[str], name: str) -> Results:
    """The results in the lines of a file. Raises UsageError, with the line, for what is none."""
    results = Results()
    for number, line in enumerate(lines, 1):
        place = f"Line {number} of {name}"
        try:
            record = parsed(line)
            if record["schema_version"] > SCHEMA_VERSION:
                raise UsageError(f"{place} was written by a later confspec.", "pip install --upgrade confspec-cli")
            if record["record"] == "conditions":
                results.conditions.append(Conditions(record["name"], _fixed(record["fixed"]), record["circumstances"]))
            else:
                results.runs.append(_run(record))
        except (ValueError, TypeError, KeyError, AttributeError) as problem:
            raise UsageError(f"{place} is not a benchmark result.", "confspec bench FILE -o RESULTS") from problem
    return results


def _fixed(fixed: dict[str, Any]) -> dict[str, Any]:
    """What a benchmark ran under, its parameters under the names of today."""
    settings = fixed.get("settings", {})
    upgraded = {
        mode: {task: upgrade_parameters(one) for task, one in tasks.items()} for mode, tasks in settings.items()
    }
    return {**fixed, "settings": upgraded}


def without_text(record: dict[str, Any]) -> dict[str, Any]:
    """A record with every text that a model wrote or a problem holds taken out: the figures stay what they are."""
    return {key: _bare(key, value) for key, value in record.items()}


_TEXTS = ("text", "kept", "rejected_text", "reply", "partial", "answer", "extract", "prompt")


def _bare(key: str, value: Any) -> Any:
    if key in _TEXTS and isinstance(value, str):
        return ""
    if isinstance(value, dict):
        return without_text(value)
    if isinstance(value, list):
        return [_bare(key, item) for item in value]
    return value


def _run(record: dict[str, Any]) -> Run:
    events = tuple(event for item in record["events"] if (event := from_dict(item)) is not None)
    if record["error"] is None and not any(isinstance(event, RunFinished) for event in events):
        raise ValueError("how it ended is not known")
    return Run(
        record["id"],
        record["mode"],
        record["correct"],
        record["graded_by"],
        events,
        record["reply_sha256"],
        record["error"],
        record.get("task", ""),
        record.get("problem_sha256", ""),
    )
