"""The items of a batch: read from lines that strangers write, and compared with the records there are already.

Knows lines and records; refuses to know how an item is answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from confspec_cli.errors import UsageError
from confspec_cli.storage.jsonl_log import parsed


@dataclass(frozen=True, slots=True)
class Item:
    """One prompt to answer. `system` is None where the batch's own system prompt holds."""

    id: str | int
    prompt: str
    system: str | None = None


def read_items(text: str, name: str) -> list[Item]:
    """The items in a text: JSON objects, one a line, where the first line is one, else a prompt a line.

    Blank lines are none. Raises UsageError, with the line, for an object without a prompt and for an id given twice.
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    is_json = name.endswith((".jsonl", ".ndjson")) or (bool(lines) and isinstance(_parsed(lines[0][1]), dict))
    items = [
        _item(line, number, f"Line {number} of {name}") if is_json else Item(number, line.strip())
        for number, line in lines
    ]
    if not items:
        raise UsageError(f"There is nothing to ask in {name}.", "printf '%s\\n' 'What is 6 * 7?' | confspec batch -")
    places: dict[str, int] = {}
    for item, (number, _) in zip(items, lines, strict=True):
        if str(item.id) in places:
            raise UsageError(f"Lines {places[str(item.id)]} and {number} of {name} have the same id, {item.id}.")
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
                f"Line {number} of {name} is no record of these prompts, so nothing was added to it.",
                f"confspec batch FILE -o another-file   # or remove {name}",
            )
        failed += record.get("error") is not None
    return list(waiting.values()), failed


def _item(line: str, number: int, place: str) -> Item:
    record = _parsed(line)
    if not isinstance(record, dict):
        raise UsageError(f"{place} is not a JSON object.")
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


def _parsed(line: str) -> Any:
    try:
        return parsed(line)
    except ValueError:
        return None
