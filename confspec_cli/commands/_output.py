"""`--json` and `-q`, which mean the same on every command that has them.

`--json`: one JSON document on stdout, and nothing else there. `-q`: only the result, which of a list is its names, and
on stderr only warnings and errors.
"""

from __future__ import annotations

import json
import sys
from enum import Enum
from typing import Annotated, Any, TypeVar

import typer

from confspec_cli.errors import UsageError
from confspec_cli.render.console import put

JsonFlag = Annotated[bool, typer.Option("--json", help="Print the result as a JSON document.")]
ShortJsonFlag = Annotated[bool, typer.Option("--json", help="Short for --format json.")]
QuietFlag = Annotated[bool, typer.Option("-q", "--quiet", help="Print only the result, warnings and errors.")]
NamesFlag = Annotated[bool, typer.Option("-q", "--quiet", help="Print only the names, one per line.")]

Form = TypeVar("Form", bound=Enum)


def with_json(chosen: Form, as_json: bool) -> Form:
    """The format asked for, by `--format` or `--json`. Raises UsageError where the two ask for different ones."""
    first, json_form = next(iter(type(chosen))), type(chosen)("json")
    if as_json and chosen not in (first, json_form):
        raise UsageError(f"--json and --format {chosen.value} ask for different formats.", "leave out --json")
    return json_form if as_json else chosen


def put_json(document: Any) -> None:
    """Print one JSON document."""
    put(sys.stdout, json.dumps(document, indent=2) + "\n")


def put_names(names: list[str]) -> None:
    """Print names, one per line; nothing where there are none."""
    put(sys.stdout, "".join(f"{name}\n" for name in names))
