"""The command line: registers the commands, and turns errors into one sentence, a hint and an exit code."""

from __future__ import annotations

import errno
import importlib
import os
import re
import shlex
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from confspec_cli import __version__
from confspec_cli.errors import ConfspecError, Exit, Interrupted, StorageError, UsageError
from confspec_cli.help_page import ROOT_OPTIONS, page, with_help
from confspec_cli.render.console import echo, put, width_of

_UsageError: Any = next(base for base in typer.BadParameter.__mro__ if base.__name__ == "UsageError")
"""Typer's own error for a wrong command line, which it does not export."""

COMMANDS = {
    "ask": "Ask one question and watch the models work it out.",
    "chat": "Chat with a pair; type /help for the commands.",
    "serve": "Serve a pair to any client of the OpenAI protocol.",
    "batch": "Run every prompt in a file; writes one JSON record each.",
    "sessions": "List, search, show, rename, export and delete saved sessions.",
    "use": "Choose the default pair.",
    "pull": "Download pairs or single models.",
    "models": "List, inspect, add and remove models and pairs.",
    "fit": "Show how much memory a pair needs and whether it fits.",
    "doctor": "Check this installation.",
    "templates": "List, show, edit and remove templates.",
    "config": "Show settings and where they come from; edit them.",
    "replay": "Play back a recorded run.",
    "bench": "Benchmark every mode on problems with known answers.",
    "calibrate": "Tune a pair's thresholds on problems with known answers.",
}
"""Every command with a short help; each is a module in `commands`, imported when it is called."""


_ELSEWHERE = {
    **dict.fromkeys(("list", "ls"), "models"),
    **{verb: f"models {verb}" for verb in ("rm", "show", "add", "verify", "quantize")},
    **dict.fromkeys(("logs", "history"), "sessions"),
    "run": "chat",
    "download": "pull",
    "help": "--help",
    "version": "--version",
}
"""What other tools call a command, and how it is typed here."""


class _LazyGroup(TyperGroup):
    """A command group that imports a command only when it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        with_help(self)

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Show the help when no command is named."""
        if not args and not ctx.resilient_parsing:
            echo(page(ctx))
            raise typer.Exit(Exit.USAGE)
        return super().parse_args(ctx, args)

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Import the command that was named."""
        if args[0] in COMMANDS:
            self.commands[args[0]] = _command(args[0])
        return super().resolve_command(ctx, args)


def _command(name: str) -> Any:
    """Import a command from its module: a function of the same name, or an app with subcommands."""
    module = importlib.import_module(f"confspec_cli.commands.{name}")
    one = typer.Typer(pretty_exceptions_enable=False)
    if hasattr(module, "app"):
        one.add_typer(module.app, name=name)
    else:
        one.command(name)(getattr(module, name))
    return with_help(typer.main.get_group(one).commands[name])


app = typer.Typer(
    name="confspec",
    cls=_LazyGroup,
    help="Faster local reasoning: a small model drafts the steps, a big one is asked only when it matters.\n\n"
    "Without a command, a question is asked; without a question, in a terminal, a chat begins.",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
for _name, _words in COMMANDS.items():
    app.command(_name, help=_words)(lambda: None)


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

    With no arguments, in a terminal, it starts a chat; elsewhere that is a mistake, and the help is shown.
    """
    argv = _in_full(argv)
    try:
        _check_encoding({f"Argument {number}": argument for number, argument in enumerate(argv, 1)})
        _check_encoding({name: value for name, value in os.environ.items() if name.startswith("CONFSPEC_")})
        return _called(argv)
    except (ConfspecError, Interrupted) as error:
        if os.environ.get("CONFSPEC_DEBUG"):
            raise
        if str(error):
            with suppress(ConfspecError):  # nobody can be told
                hint = _retyped(error.hint, argv)
                put(sys.stderr, f"{_wrapped(f'confspec: {error}')}\n" + (f"  {hint}\n" if hint else ""))
        return error.exit_code


def _wrapped(sentence: str) -> str:
    """A sentence between words, where a terminal would break it anywhere; a command to type stays in one piece."""
    if not (width := width_of(sys.stderr)):
        return sentence
    from confspec_cli.render.layout import wrap  # noqa: PLC0415 - only where something went wrong

    return "\n".join(wrap(sentence, max(8, width - 1)))


def _in_full(argv: Sequence[str]) -> Sequence[str]:
    """The command line with its command: a question alone, or options of one, are asked."""
    if not argv:
        return ["chat"] if sys.stdin.isatty() and sys.stdout.isatty() else argv
    name = argv[0].partition("=")[0]
    is_command = re.fullmatch(r"[a-z_-]+", name, re.IGNORECASE) and not name.startswith("-")
    return argv if is_command or name in ROOT_OPTIONS else ["ask", *argv]


def _retyped(hint: str, argv: Sequence[str]) -> str:
    if not argv or argv[0] not in COMMANDS:
        return hint
    from confspec_cli.commands._retyping import retyped  # noqa: PLC0415 - only where something went wrong

    return retyped(hint, argv, _command(argv[0]))


def _called(argv: Sequence[str]) -> int:
    """Run a command and return its exit code. Raises StorageError if Typer's own output cannot be written."""
    code: int = Exit.OK
    try:
        code = app(list(argv), prog_name="confspec", standalone_mode=False) or Exit.OK
    except typer.Abort:  # a question that was answered by Ctrl-C or the end of the input
        code = Exit.INTERRUPTED
    except _UsageError as error:
        message = error.format_message().replace("Value error, ", "")
        path = (
            error.ctx.command_path
            if error.ctx
            else " ".join(["confspec", *(name for name in argv[:1] if name in COMMANDS)])
        )
        is_unknown = path == "confspec" and "No such command" in message and "Did you mean" not in message
        raise UsageError(message, _instead(argv) if is_unknown else f"{path} --help") from error
    except OSError as problem:
        if problem.errno not in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
            raise
        raise StorageError(f"Cannot write the output: {problem.strerror}.", "df -h") from problem
    put(sys.stdout, "")
    return code


def _instead(argv: Sequence[str]) -> str:
    """What to type where there is no command of that name: the one other tools call so, or else a question."""
    name, *rest = argv
    if name not in _ELSEWHERE:
        return shlex.join(["confspec", "ask", *argv])
    if name == "run" and rest:
        return shlex.join(["confspec", "ask" if rest[1:] else "chat", "-p", *rest])
    takes_names = name in ("download", "rm", "show", "add", "verify", "quantize")
    return shlex.join(["confspec", *_ELSEWHERE[name].split(), *(rest if takes_names else [])])


def _check_encoding(texts: Mapping[str, str]) -> None:
    """Raises UsageError if one of the texts is not UTF-8, which neither a model nor our files could hold."""
    for name, text in texts.items():
        raw = text.encode("utf-8", "surrogateescape")
        try:
            raw.decode()
        except UnicodeDecodeError:
            shown = raw.decode("utf-8", "backslashreplace")
            raise UsageError(f"{name} is not UTF-8 text: {shown}", "locale   # shows the terminal's encoding") from None
