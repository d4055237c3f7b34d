"""The command line: registers commands, and turns errors into one line, a hint and an exit code."""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType
from typing import Annotated

import typer

from confspec_cli import __version__
from confspec_cli.commands import models
from confspec_cli.commands.ask import ask
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
app.command()(pull)
app.add_typer(models.app, name="models")
app.command()(replay)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"confspec {__version__}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    del version


def main(argv: Sequence[str]) -> int:
    """Run one command line; returns the exit code. CONFSPEC_DEBUG=1 brings tracebacks back."""
    try:
        app(list(argv), prog_name="confspec")
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else int(end.code is not None)
    except ConfspecError as error:
        if os.environ.get("CONFSPEC_DEBUG"):
            raise
        _explain(error)
        return error.exit_code
    except BrokenPipeError:
        return _closed_pipe()
    return Exit.OK


def run() -> None:
    """The console script: `main` with the process's own arguments and signals."""
    _open_closed_streams()
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _stop)
        signal.signal(signal.SIGTERM, _stop)
    code = main(sys.argv[1:])
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        code = _closed_pipe()
    raise SystemExit(code)


def _open_closed_streams() -> None:
    """A stream the caller closed leads nowhere; else the next file opened, a model say, would take its number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            file = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if file != number:
                os.dup2(file, number)
                os.close(file)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


def _stop(number: int, frame: FrameType | None) -> None:
    """Ctrl-C and TERM are errors like any other, so that they end in the same place."""
    del frame
    error = Interrupted("Stopped.")
    if number == signal.SIGTERM:
        error.exit_code = Exit.TERMINATED
    raise error


def _explain(error: ConfspecError) -> None:
    lines = [f"confspec: {error}"] + ([f"  {error.hint}"] if error.hint else [])
    sys.stderr.write("\n".join(lines) + "\n")


def _closed_pipe() -> int:
    """The reader has had enough. Whatever is still buffered goes nowhere, quietly."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return Exit.OK


if __name__ == "__main__":
    run()
