"""The command line: registers the commands, and turns errors into one sentence, a hint and an exit code."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from confspec_cli import __version__
from confspec_cli.commands import bench, models, sessions
from confspec_cli.commands.ask import ask
from confspec_cli.commands.batch import batch
from confspec_cli.commands.calibrate import calibrate
from confspec_cli.commands.chat import chat
from confspec_cli.commands.doctor import doctor
from confspec_cli.commands.fit import fit
from confspec_cli.commands.pull import pull
from confspec_cli.commands.replay import replay
from confspec_cli.errors import ConfspecError, Exit, Interrupted

app = typer.Typer(
    name="confspec",
    help="Faster local reasoning: a small model drafts the steps, a big one is asked only when it matters.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
app.command()(ask)
app.command()(chat)
app.command()(batch)
app.add_typer(sessions.app, name="sessions")
app.command()(pull)
app.add_typer(models.app, name="models")
app.command()(fit)
app.command()(doctor)
app.command()(replay)
app.add_typer(bench.app, name="bench")
app.command()(calibrate)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"confspec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version and exit.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main(argv: Sequence[str]) -> int:
    """Run one command line and return the exit code. CONFSPEC_DEBUG=1 shows tracebacks.

    With no arguments, in a terminal, it starts a chat.
    """
    if not argv and sys.stdin.isatty() and sys.stdout.isatty():
        argv = ["chat"]
    try:
        app(list(argv), prog_name="confspec")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except (ConfspecError, Interrupted) as error:
        if os.environ.get("CONFSPEC_DEBUG"):
            raise
        if str(error):
            sys.stderr.write(f"confspec: {error}\n" + (f"  {error.hint}\n" if error.hint else ""))
        return error.exit_code
    return Exit.OK
