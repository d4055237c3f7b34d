"""The reference pages, written from the code: docs/cli.md from the commands, docs/events.md from the event classes.

`python -m confspec_cli.docs` writes them below the current folder. Nothing in them depends on a terminal.
"""

from __future__ import annotations

import dataclasses
import inspect
import re
import sys
import types
import typing
from collections.abc import Iterator
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from confspec_cli.app import app
from confspec_cli.core.events import SCHEMA_VERSION, Event
from confspec_cli.errors import Exit

_WRITTEN = "<!-- Written by `python -m confspec_cli.docs`; do not edit. -->\n"
_COMPLETION = """## Completion

Tab completes commands, options and the names of pairs, models and templates. In the shell in use:

    confspec --install-completion

or print the script of one, to put it where you like:

    _CONFSPEC_COMPLETE=source_bash confspec
    _CONFSPEC_COMPLETE=source_zsh confspec
    _CONFSPEC_COMPLETE=source_fish confspec
"""
_MEANINGS = {
    Exit.OK: "the answer is complete",
    Exit.FAILURE: "a model file, or the engine, failed",
    Exit.USAGE: "the command line, or a configuration file, asks for something that cannot be",
    Exit.MODEL_MISSING: "a model is unknown, or not pulled yet",
    Exit.OUT_OF_MEMORY: "the models do not fit in memory",
    Exit.DOWNLOAD: "a download failed",
    Exit.CONTEXT_FULL: "the context is full",
    Exit.SCHEMA: "the answer does not fit the schema",
    Exit.NO_ANSWER: "no final answer: the token budget is used up, or there is nothing to extract",
    Exit.STORAGE: "the disk is full, or bytes do not hash to their pin",
    Exit.INTERRUPTED: "Ctrl-C",
    Exit.TERMINATED: "TERM",
}


def cli_page() -> str:
    """docs/cli.md: every command with its arguments and options, the exit codes, completion."""
    root = typer.main.get_command(app)
    context = typer.Context(root, info_name="confspec", **root.context_settings)
    codes = "".join(f"| {code.value} | {_MEANINGS[code]} |\n" for code in Exit)
    commands = "\n".join(_command(root, context))
    return f"# Commands\n\n{_WRITTEN}\n{commands}\n## Exit codes\n\n| code | when |\n|---|---|\n{codes}\n{_COMPLETION}"


def events_page() -> str:
    """docs/events.md: every event, then the values and names that stand in them."""
    events = typing.get_args(Event)
    values = list(dict.fromkeys(value for event in events for value in _values(event)))
    text = (
        f"# Events\n\n{_WRITTEN}\n"
        "`--format jsonl` writes one of these a line, its name under `event`. Within a schema version "
        f"fields and names may be added, never renamed or removed. This is schema version {SCHEMA_VERSION}.\n"
    )
    for title, kinds in (("Events", events), ("Values", values)):
        text += "".join(f"\n{section}" for section in [f"## {title}\n", *map(_kind, kinds)])
    return text


def write(folder: Path) -> None:
    """Write both pages."""
    folder.mkdir(exist_ok=True)
    for name, page in (("cli.md", cli_page()), ("events.md", events_page())):
        (folder / name).write_text(page, encoding="utf-8")


def _command(command: Any, context: typer.Context) -> Iterator[str]:
    """The section of one command, and those of the commands below it."""
    yield f"## {context.command_path}\n"
    yield inspect.cleandoc(command.help or "") + "\n"
    usage = " ".join([context.command_path, *command.collect_usage_pieces(context)])
    yield f"    {usage}\n"
    panels: dict[str, list[str]] = {}
    for parameter in command.get_params(context):
        if record := parameter.get_help_record(context):
            usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
            panels.setdefault(parameter.rich_help_panel or usual, []).append(_row(*record))
    for panel, rows in panels.items():
        yield f"| {panel} | |\n|---|---|\n" + "".join(rows)
    for name in sorted(getattr(command, "commands", {})):
        _, below, _ = command.resolve_command(context, [name])
        if not below.hidden:
            yield from _command(below, typer.Context(below, info_name=name, parent=context))


def _row(names: str, text: str) -> str:
    return f"| {_cell(f'`{names}`')} | {_cell(text)} |\n"


def _cell(text: str) -> str:
    return re.sub(r"\s+", " ", text).strip().replace("|", "\\|")


def _values(kind: Any) -> Iterator[Any]:
    """The dataclasses and enumerations in the fields of a dataclass, each before those in its own."""
    for hint in typing.get_type_hints(kind).values():
        for part in (hint, *_parts(hint)):
            if dataclasses.is_dataclass(part):
                yield part
                yield from _values(part)
            elif isinstance(part, type) and issubclass(part, Enum):
                yield part


def _parts(hint: Any) -> Iterator[Any]:
    for part in typing.get_args(hint):
        yield part
        yield from _parts(part)


def _kind(kind: Any) -> str:
    """The section of one event or value."""
    text = f"### {kind.__name__}\n\n{inspect.cleandoc(kind.__doc__)}\n\n"
    if issubclass(kind, Enum):
        return text + "One of " + ", ".join(f"`{member.value}`" for member in kind) + ".\n"
    hints = typing.get_type_hints(kind)
    rows = [
        f"| `{field.name}` | {_type(hints[field.name])} | {_default(field)} |" for field in dataclasses.fields(kind)
    ]
    return text + "\n".join(["| field | type | when left out |", "|---|---|---|", *rows]) + "\n"


def _type(hint: Any) -> str:
    """A type as JSON has it, our own by name."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_type(part) for part in arguments)
    if origin is tuple:
        return f"list of {_type(arguments[0])}"
    if origin is dict:
        return f"object of {_type(arguments[1])}"
    if hint is type(None):
        return "null"
    plain = {str: "text", int: "integer", float: "number", bool: "true or false"}
    return plain.get(hint) or f"[{hint.__name__}](#{hint.__name__.lower()})"


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is dataclasses.MISSING:
        return "never"
    return {None: "null", (): "empty", "": "empty"}.get(field.default, str(field.default).lower())


if __name__ == "__main__":
    write(Path(*sys.argv[1:2] or ["docs"]))
