"""The command line: registers the commands, and turns errors into one sentence, a hint and an exit code."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
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
from confspec_cli.errors import ConfspecError, Exit, Interrupted, StorageError, UsageError
from confspec_cli.render.console import echo, put

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
        echo(f"confspec {__version__}")
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
        _check_encoding({f"Argument {number}": argument for number, argument in enumerate(argv, 1)})
        _check_encoding({name: value for name, value in os.environ.items() if name.startswith("CONFSPEC_")})
        return _called(argv)
    except (ConfspecError, Interrupted) as error:
        if os.environ.get("CONFSPEC_DEBUG"):
            raise
        if str(error):
            with suppress(ConfspecError):  # nobody can be told
                put(sys.stderr, f"confspec: {error}\n" + (f"  {error.hint}\n" if error.hint else ""))
        return error.exit_code


def _called(argv: Sequence[str]) -> int:
    """The exit code of a command. Raises StorageError where what Typer itself prints, help say, cannot be written."""
    code: int = Exit.OK
    try:
        app(list(argv), prog_name="confspec")
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageError(f"The output cannot be written: {problem.strerror}.", "df -h") from problem
    put(sys.stdout, "")
    return code


def _check_encoding(texts: Mapping[str, str]) -> None:
    """Raises UsageError where one of the texts is not UTF-8: neither a model nor a file of ours could hold it."""
    for name, text in texts.items():
        raw = text.encode("utf-8", "surrogateescape")
        try:
            raw.decode()
        except UnicodeDecodeError:
            shown = raw.decode("utf-8", "backslashreplace")
            raise UsageError(f"{name} is not UTF-8 text: {shown}", "locale   # shows the terminal's encoding") from None
