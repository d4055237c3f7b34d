"""Events as lines of text, the way they are written to files and pipes."""

from __future__ import annotations

from typing import Any

from confspec_cli.core.events import SCHEMA_VERSION, Event, from_dict
from confspec_cli.errors import UsageError
from confspec_cli.storage.jsonl_log import parsed


def is_record(line: str) -> bool:
    """Whether a line is a whole record, of whatever event."""
    return _record(line) is not None


def event_of(line: str, place: str) -> Event | None:
    """The event a line holds, None for one of a later version. Raises UsageError, naming the place."""
    record = _record(line)
    if record is None:
        raise UsageError(f"{place} is not an event.", "confspec ask --format jsonl > FILE")
    version = record.get("schema_version")
    if isinstance(version, int) and version > SCHEMA_VERSION:
        raise UsageError(
            f"{place} was written by a later confspec (schema {version}, this one reads {SCHEMA_VERSION}).",
            "pip install --upgrade confspec-cli",
        )
    try:
        return from_dict(record)
    except ValueError as problem:
        raise UsageError(f"{place} cannot be read: {problem}.") from problem


def _record(line: str) -> dict[str, Any] | None:
    try:
        record = parsed(line)
    except ValueError:
        return None
    return record if isinstance(record, dict) and isinstance(record.get("event"), str) else None
