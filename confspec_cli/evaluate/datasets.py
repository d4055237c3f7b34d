"""Sets of problems everybody knows, by name, from the hub: brought into the lines that `bench` reads.

Knows where each set lies and what its columns are called; refuses to know how a problem is put or graded.
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confspec_cli.errors import DownloadError, UsageError

_OWN_FILE = "confspec bench FILE.jsonl"
Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class NamedSet:
    """A file of a dataset repository, and what makes a line of ours of one of its rows and their count so far."""

    repository: str
    file: str
    line: Callable[[Row, int], dict[str, Any]]


def lines(name: str) -> str:
    """The problems of a set, a JSON object a line. Raises DownloadError, and UsageError where it cannot be read."""
    from confspec_cli.models.hub import dataset_file  # noqa: PLC0415 - keeps huggingface_hub out of --help

    named = SETS[name]
    try:
        path = dataset_file(named.repository, named.file)
    except DownloadError as problem:
        raise DownloadError(str(problem), problem.hint or _OWN_FILE) from problem
    try:
        return "".join(json.dumps(named.line(row, n)) + "\n" for n, row in enumerate(_rows(path)))
    except (KeyError, TypeError, AttributeError, ValueError, csv.Error) as problem:
        raise UsageError(
            f"{named.file} of {named.repository} has an unexpected format: {problem!r}.", _OWN_FILE
        ) from problem


def _rows(path: Path) -> Iterable[Row]:
    if path.suffix == ".parquet":
        try:
            from pyarrow import parquet  # noqa: PLC0415 - an extra, and slow to import
        except ImportError:
            raise UsageError(
                "This data set needs pyarrow, which is not installed.", "pip install 'confspec-cli[bench]'"
            ) from None
        rows: list[Row] = parquet.read_table(path).to_pylist()
        return rows
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".csv":
        return list(csv.DictReader(text.splitlines(keepends=True)))
    return [json.loads(line) for line in text.splitlines() if line.strip()]


def _gsm8k(row: Row, n: int) -> dict[str, Any]:
    answer = row["answer"].rpartition("####")[2].strip().replace(",", "")
    return {"id": f"gsm8k-test-{n}", "question": row["question"], "answer": answer, "kind": "number"}


def _math(row: Row, n: int) -> dict[str, Any]:
    return {"id": f"math500-{n}", "question": row["problem"], "answer": row["answer"], "kind": "latex"}


def _humaneval(row: Row, n: int) -> dict[str, Any]:
    del n
    known = {"id": row["task_id"], "question": row["prompt"], "tests": row["test"], "entry_point": row["entry_point"]}
    return {**known, "kind": "code"}


def _gpqa(row: Row, n: int) -> dict[str, Any]:
    """The right answer stands first in every row: it is shuffled in among the others, the same way every time."""
    choices = [row["Correct Answer"], *(row[f"Incorrect Answer {k}"] for k in (1, 2, 3))]
    order = random.Random(n).sample(range(4), 4)
    known = {"id": f"gpqa-diamond-{n}", "question": row["Question"], "answer": "ABCD"[order.index(0)]}
    return {**known, "choices": [choices[k].strip() for k in order], "kind": "choice"}


SETS = {
    "gsm8k": NamedSet("openai/gsm8k", "main/test-00000-of-00001.parquet", _gsm8k),
    "math-500": NamedSet("HuggingFaceH4/MATH-500", "test.jsonl", _math),
    "humaneval": NamedSet("openai/openai_humaneval", "openai_humaneval/test-00000-of-00001.parquet", _humaneval),
    "gpqa": NamedSet("Idavidrein/gpqa", "gpqa_diamond.csv", _gpqa),
}
