"""A whole session as one text: Markdown for people, JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Any

from rich.console import Console
from rich.text import Text

from confspec_cli.core.conversation import Turn
from confspec_cli.core.events import SCHEMA_VERSION
from confspec_cli.render import wording
from confspec_cli.render.console import paint, send
from confspec_cli.render.document import RunRecord


class ExportFormat(str, Enum):
    """Export formats of a session."""

    MD = "md"
    JSON = "json"


def put_heading(console: Console, turn: Turn, is_first: bool) -> None:
    """Print the user's message, above the steps of the reply."""
    lines = [Text(f"> {line}".rstrip(), style="bold") for line in turn.user.split("\n")]
    send(console.file, paint(console, [*([] if is_first else [Text()]), *lines, Text()]))


def markdown(label: str, turns: Sequence[Turn]) -> str:
    """The session as Markdown: messages, replies, and a line of statistics for each."""
    parts = [f"# {label}"]
    system = ""
    for turn in turns:
        if turn.system != system:
            system = turn.system
            parts += ["## System", system.strip() or "*None.*"]
        parts += ["## You", turn.user.strip()]
        parts += ["## confspec", turn.reply.strip() or "*No reply.*"]
        ending = wording.ending(turn.finished, turn.started, len(turn.steps) + 1)
        summary = ", ".join(wording.summary(turn.stats))
        parts.append(f"*{ending} {summary}.*" if ending else f"*{summary}.*")
    return "\n\n".join(parts) + "\n"


def document(session_id: str, name: str, turns: Sequence[Turn]) -> dict[str, Any]:
    """The session as JSON: for each turn the document of its run, and whether it was cut off."""
    return {
        "schema_version": SCHEMA_VERSION,
        "id": session_id,
        "name": name or None,
        "turns": [{**_record(turn), "cut_off": turn.cut_off} for turn in turns],
    }


def _record(turn: Turn) -> dict[str, Any]:
    record = RunRecord()
    for event in turn.events:
        record.add(event)
    return record.to_dict()
