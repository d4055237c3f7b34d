"""The items of a batch: read from lines that strangers write, and compared with the records there are already.

Knows lines and records; refuses to know how an item is answered.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confspec_cli.errors import UsageError
from confspec_cli.storage.jsonl_log import parsed

_JSON = re.compile(r"\s*(\{\s*(\"|$)|\[\s*([\[{\"]|$))")  # how JSON begins, and hardly any prompt does
_CSV = re.compile(r"(\w+[,;\t])*(prompt|question)([,;\t]\w+)*", re.ASCII | re.IGNORECASE)  # the names of its columns
_CONVERT = (
    "python3 -c 'import csv, json, sys; [print(json.dumps(row)) for row in csv.DictReader(open(sys.argv[1]))]' {} "
    "| confspec batch -"
)


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt to answer. `system` is None where the batch's own system prompt holds."""

    id: str | int
    prompt: str
    system: str | None = None


def read_items(text: str, name: str) -> list[Item]:
    """The items in a text: a prompt a line, JSON objects or strings a line, or one JSON array of either.

    Blank lines are none. Raises UsageError, with the place, for an object without a prompt, for an id given twice, and
    for what looks like data but is none of these.
    """
    unit, records = _records(text, name)
    items = [_item(record, number, f"{unit} {number} of {name}") for number, record in records]
    if not items:
        raise UsageError(f"{name} holds no prompts.", "printf '%s\\n' 'What is 6 * 7?' | confspec batch -")
    places: dict[str, int] = {}
    for item, (number, _) in zip(items, records, strict=True):
        if str(item.id) in places:
            raise UsageError(f"{unit}s {places[str(item.id)]} and {number} of {name} have the same id, {item.id}.")
        places[str(item.id)] = number
    return items


def remaining(items: Sequence[Item], records: Sequence[str], name: str) -> tuple[list[Item], int]:
    """The items that no record answers yet, and how many records tell of an error.

    Raises UsageError where a record is none of these items', or of one that another record answers.
    """
    waiting = {str(item.id): item for item in items}
    failed = 0
    for number, line in enumerate(records, 1):
        record = _parsed(line)
        is_record = isinstance(record, dict) and "schema_version" in record
        item = waiting.pop(str(record["id"]), None) if is_record and "id" in record else None
        if item is None or record.get("prompt") != item.prompt:
            raise UsageError(
                f"Line {number} of {name} is not a record of this batch, so nothing was added.",
                "confspec batch FILE -o another-file",
            )
        failed += record.get("error") is not None
    return list(waiting.values()), failed


def _records(text: str, name: str) -> tuple[str, list[tuple[int, Any]]]:
    """What a text is counted in, and its prompts or objects by number."""
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    whole = _parsed(text) if len(lines) > 1 or text.lstrip().startswith("[") else None
    if isinstance(whole, list) and (_all(dict, whole) or _all(str, whole)):
        return "Item", list(enumerate(whole, 1))
    if isinstance(whole, dict):
        return "Line", [(lines[0][0], whole)]
    values = [_parsed(line) for _, line in lines]
    is_json = name.endswith((".jsonl", ".ndjson")) or any(isinstance(value, dict) for value in values)
    if is_json or (lines and _JSON.match(lines[0][1])):
        for (number, line), value in zip(lines, values, strict=True):
            if not isinstance(value, dict):
                raise UsageError(f"Line {number} of {name} is not a JSON object: {_reason(line)}.", _example(name))
        return "Line", list(zip((number for number, _ in lines), values, strict=True))
    if len(lines) > 1 and _all(str, values):
        return "Line", list(zip((number for number, _ in lines), values, strict=True))
    if name.endswith((".csv", ".tsv")) or (lines and _CSV.fullmatch(lines[0][1].strip())):
        hint = _CONVERT.format(shlex.quote(name))
        raise UsageError(f"{name} is a table; a batch takes one prompt or JSON object per line.", hint)
    return "Line", [(number, line.strip()) for number, line in lines]


def _item(record: Any, number: int, place: str) -> Item:
    if isinstance(record, str):
        return Item(number, record)
    given = record.get("id")
    if given is not None and (isinstance(given, bool) or not isinstance(given, str | int)):
        raise UsageError(f"{place}: id must be text or a whole number.")
    prompt = record.get("prompt", record.get("question"))
    if not isinstance(prompt, str) or not prompt.strip():
        raise UsageError(f"{place} has no prompt.", '{"id": "1", "prompt": "What is 6 * 7?"}')
    system = record.get("system")
    if system is not None and not isinstance(system, str):
        raise UsageError(f"{place}: system must be text.")
    return Item(number if given is None else given, prompt, system)


def _all(kind: type, values: list[Any]) -> bool:
    return bool(values) and all(isinstance(value, kind) for value in values)


def _reason(line: str) -> str:
    try:
        parsed(line)
    except json.JSONDecodeError as problem:
        return f"{problem.msg[:1].lower()}{problem.msg[1:]} at column {problem.colno}"
    except ValueError as problem:
        return str(problem)
    return "it is another kind of value"


def _example(name: str) -> str:
    return f"jq -c . {shlex.quote(name)} | confspec batch -   # one object a line; jq says where it is not JSON"


def _parsed(line: str) -> Any:
    try:
        return parsed(line)
    except ValueError:
        return None
