"""The file of a calibration: the labelled steps of each problem and its answers under every gate, to be resumed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from confspec_cli.core.frontier import MeasuredGate
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.calibration import fitted, halves
from confspec_cli.evaluate.gate_trials import candidates, digest, frontier
from confspec_cli.evaluate.labels import Chains, chains_of
from confspec_cli.evaluate.problems import Problem
from confspec_cli.storage.jsonl_log import JsonlLog, parsed

_OTHER_FILE = "confspec calibrate PAIR FILE -o another-file"


class CalibrationFile:
    """The records of these problems in a file, and what is missing of them.

    `conditions` are those of now, and `label` the problems, from the first, whose steps are to be labelled. Raises
    UsageError for a file of other models, settings or problems.
    """

    def __init__(
        self, log: JsonlLog, conditions: Mapping[str, Any], problems: Sequence[Problem], label: int = 0
    ) -> None:
        self._log = log
        self._conditions = conditions
        self._problems = problems
        self._label = label
        self._labels: dict[str, Mapping[str, Any]] = {}
        self._answers: dict[str, Mapping[str, Any]] = {}
        self._is_new = True
        self._read()

    def add(self, record: Mapping[str, Any]) -> None:
        """Write down a record."""
        if self._is_new:
            self._log.append(dict(self._conditions))
            self._is_new = False
        self._log.append(dict(record))
        self._take(record)

    @property
    def done(self) -> int:
        """How many records of these problems there are."""
        ids = {problem.id for problem in self._problems}
        return len(ids & self._labels.keys()) + len(ids & self._answers.keys())

    def unlabelled(self) -> list[Problem]:
        """The problems whose steps are not labelled yet."""
        return [problem for problem in self._problems[: self._label] if problem.id not in self._labels]

    def gates(self, signals: Sequence[Signal]) -> dict[str, Gate]:
        """The gates to try; the weights of the combined signal are fitted on the labels of the first half."""
        return candidates(signals, fitted(halves(self.chains())[0]) if Signal.COMBINED in signals else None)

    def unanswered(self, signals: Sequence[Signal]) -> list[Problem]:
        """The problems that these gates were not tried on yet; of those that weights were fitted on none."""
        mark = digest(self.gates(signals))
        return [one for one in self._trials(signals) if not self._is_tried(one, mark)]

    def chains(self) -> Chains:
        """The labelled steps."""
        return chains_of([self._labels[problem.id] for problem in self._problems if problem.id in self._labels])

    def answers(self, signals: Sequence[Signal]) -> list[Mapping[str, Any]]:
        """What came of trying the gates, problem by problem."""
        return [self._answers[problem.id] for problem in self._trials(signals)]

    def frontier(self, signals: Sequence[Signal], confidence: float) -> tuple[MeasuredGate, ...]:
        """What the answers say of each gate."""
        return frontier(self.answers(signals), self.gates(signals), confidence)

    def skipped(self) -> list[str]:
        """The problems that did not fit into a model's context."""
        known = (self._labels, self._answers)
        return [one.id for one in self._problems if any(records.get(one.id, {}).get("skipped") for records in known)]

    def _trials(self, signals: Sequence[Signal]) -> Sequence[Problem]:
        return self._problems[len(self._problems) // 2 :] if Signal.COMBINED in signals else self._problems

    def _is_tried(self, problem: Problem, mark: str) -> bool:
        record = self._answers.get(problem.id, {})
        return bool(record.get("skipped")) or record.get("tried") == mark

    def _read(self) -> None:
        for number, line in enumerate(self._log.lines(), 1):
            try:
                record = parsed(line)
                if record["record"] == "conditions":
                    self._is_new = False
                    self._check(record)
                else:
                    self._take(record)
            except (ValueError, TypeError, KeyError) as problem:
                raise UsageError(
                    f"Line {number} of {self._log.path} is not a record of a calibration.",
                    "confspec calibrate PAIR FILE -o RECORDS",
                ) from problem
        for one in self._problems:
            for records in (self._labels, self._answers):
                if records.get(one.id, {}).get("problem_sha256", one.sha256) != one.sha256:
                    raise UsageError(
                        f"{self._log.path} holds records of another problem with the id {one.id}; nothing was added.",
                        _OTHER_FILE,
                    )

    def _check(self, conditions: Mapping[str, Any]) -> None:
        if conditions.get("fixed") != self._conditions["fixed"]:
            raise UsageError(
                f"{self._log.path} holds records of different models or settings; nothing was added.", _OTHER_FILE
            )

    def _take(self, record: Mapping[str, Any]) -> None:
        if record["record"] == "answers":
            self._answers[record["problem"]] = record
        else:
            chains_of([record])
            self._labels[record["problem"]] = record
