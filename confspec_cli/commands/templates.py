"""`confspec templates`: the templates that `ask --save-template` made."""

from __future__ import annotations

import sys
from dataclasses import asdict
from typing import Annotated

import typer

from confspec_cli.commands._completion import template_names
from confspec_cli.commands._editing import edited
from confspec_cli.commands._output import JsonFlag, NamesFlag, put_json, put_names
from confspec_cli.commands._templates import folder
from confspec_cli.errors import UsageError
from confspec_cli.files import read_text, write_atomically
from confspec_cli.render.console import echo, put
from confspec_cli.render.wording import columns
from confspec_cli.storage import templates as stored

app = typer.Typer(invoke_without_command=True, help="List, show, edit and remove templates.")

_Name = Annotated[str, typer.Argument(metavar="NAME", autocompletion=template_names, show_default=False)]


@app.callback()
def templates(context: typer.Context, as_json: JsonFlag = False, quiet: NamesFlag = False) -> None:
    """List, show, edit and remove templates."""
    if context.invoked_subcommand is None:
        list_templates(as_json, quiet)


@app.command("list")
def list_templates(as_json: JsonFlag = False, quiet: NamesFlag = False) -> None:
    """List the templates."""
    found = {name: stored.load(folder(), name) for name in stored.names(folder())}
    if as_json:
        put_json({"schema_version": 1, "templates": [{"name": name, **asdict(one)} for name, one in found.items()]})
        return
    if quiet:
        put_names(list(found))
        return
    rows = [("NAME", "OPTIONS", "PROMPT")]
    for name, template in found.items():
        options = ", ".join(option.replace("_", "-") for option in template.options)
        prompt = " ".join((template.prompt or "").split())
        rows.append((name, options or "-", prompt if len(prompt) <= 60 else prompt[:59] + "…"))
    if len(rows) > 1:
        echo(columns(rows))
    else:
        put(sys.stderr, f'No templates in {folder()}. One is made by: confspec ask "…" --save-template NAME\n')


@app.command()
def show(name: _Name) -> None:
    """Print a template."""
    stored.load(folder(), name)
    put(sys.stdout, read_text(stored.file_of(folder(), name)))


@app.command()
def edit(name: _Name) -> None:
    """Open a template in $EDITOR; a version that could not be used is discarded."""
    file = stored.file_of(folder(), name)
    if not file.exists():
        stored.load(folder(), name)  # says so, and suggests another
    new = edited(read_text(file), lambda text: stored.read(text, file))
    if new is None:
        put(sys.stderr, "Nothing was changed.\n")
        return
    write_atomically(file, new, mode=0o600)
    put(sys.stderr, f"{name} saved in {file}\n")


@app.command()
def rm(
    name: _Name,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Remove without asking.")] = False,
) -> None:
    """Remove a template."""
    file = stored.file_of(folder(), name)
    if not file.exists():
        stored.load(folder(), name)
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError(
                "Needs confirmation but stdin is not a terminal; add --yes.", f"confspec templates rm --yes {name}"
            )
        if not typer.confirm(f"Remove the template {name}?", err=True):
            put(sys.stderr, "Nothing was removed.\n")
            return
    file.unlink()
    put(sys.stderr, f"{name} removed.\n")
