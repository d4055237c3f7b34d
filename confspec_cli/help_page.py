"""The help of every command: examples and the options of every day, and with --help-all every option there is.

Typer's own lists types and bounds beside the words, imports Rich to draw them, and fails where `head` has closed the
pipe.
"""

from __future__ import annotations

import inspect
import re
import shutil
import textwrap
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from confspec_cli.render.console import echo

EXAMPLES = {
    "": (
        'confspec "Why is the sky blue?"                   # one question',
        "confspec                                          # a chat",
        'cat notes.txt | confspec "Summarise this"         # piped text is placed before the question',
        'confspec -c "And in one sentence?"                # continues the last session',
        "confspec use tiny                                 # a smaller pair from now on; confspec models lists them",
    ),
    "ask": (
        'confspec ask "Why is the sky blue?"',
        'confspec ask -f report.txt "What does it conclude?"',
        'confspec ask -c "And in one sentence?"            # continues the last session',
        'confspec ask -x "A Python function that reverses a list" > reverse.py',
        'confspec ask --json "What is 17 times 23?" | jq .reply',
        'confspec ask --draft small.gguf --target big.gguf "Why?"    # or the URL of a server',
    ),
    "chat": ("confspec chat", "confspec chat -p tiny", "confspec chat -c    # continues the last session"),
    "batch": ("confspec batch prompts.txt -o records.jsonl    # run it again to resume",),
    "bench run": ("confspec bench gsm8k --problems 20 -o results.jsonl",),
    "calibrate": ("confspec calibrate starter problems.jsonl --dry-run",),
    "pull": ("confspec pull tiny", "confspec pull hf:Qwen/Qwen2.5-7B-Instruct-GGUF:Q4_K_M"),
    "replay": ("confspec ask --format jsonl ... > run.jsonl", "confspec replay run.jsonl --speed 1"),
    "models": (
        "confspec models",
        "confspec models show starter",
        "confspec models rm tiny                     # deletes its files",
        "confspec models add big http://gpubox:8080  # or a GGUF file, or hf:owner/repo:QUANT",
        "confspec models pair add ours qwen2.5-coder-0.5b-q4_k_m big",
    ),
    "sessions": (
        "confspec sessions",
        "confspec sessions search muffins",
        "confspec chat --session NAME              # continues one of them",
        "confspec sessions prune --older-than 30d",
    ),
    "templates": (
        'confspec ask --task code -s "Be brief." --save-template brief',
        'confspec ask -t brief "A function that reverses a list"',
    ),
}
"""Examples by the words that name the command."""
ROOT_OPTIONS = ("-h", "--help", "--help-all", "--version", "--install-completion", "--show-completion")
"""What the command line may begin with in place of a command."""

_DAILY = (
    *("pair", "task", "file", "system", "resume", "max_tokens", "extract", "json", "quiet"),
    *("show_confidence", "stats", "yes"),
)
"""The options of every day, in this order; a command with many shows these and those that it alone has."""
_SELDOM = ("install_completion", "show_completion")
_MANY, _ROOT = 16, "confspec"
_MOST, _NAMES = 100, 26  # columns of a page, and of the names in it at most
_TYPES = {"int": "N", "int range": "N", "float": "N", "float range": "N", "str": "TEXT"}
_PATHS = ("path", "list[Path]")


def with_help(command: Any) -> Any:
    """Give a command of Typer's, and those below it, this help."""
    command.params += _HELP[: 2 if _is_long(command) else 1]
    command.get_help = page
    for below in getattr(command, "commands", {}).values():
        with_help(below)
    return command


def page(context: Any, whole: bool = False) -> str:
    """The help of a command, as wide as the terminal and no wider than is good to read."""
    return "\n".join(_lines(context, whole, min(shutil.get_terminal_size().columns, _MOST)))


def described(parameter: Any, context: Any) -> tuple[str, str, str]:
    """An option or argument as it is typed, what it does, and the variable that sets it; empty if it is hidden."""
    record = parameter.get_help_record(context)
    if record is None:
        return "", "", ""
    is_argument = parameter.param_type_name == "argument"
    names = _placeholder(parameter) if is_argument else re.sub("<(.+)>", _value, record[0])
    text, facts = re.fullmatch(r"(.*?)(?:\s*\[([^\[\]]*)\])?", record[1], re.DOTALL).groups()  # type: ignore[union-attr]  # it matches anything
    kept, variable = [], ""
    for fact in (facts or "").split("; "):
        if fact.startswith("env var: "):
            variable = fact.removeprefix("env var: ")
        elif fact and not re.search("[<>]=?x|x[<>]=?", fact) and not (fact == "required" and is_argument):
            kept.append(re.sub(r"default: \((.*)\)", r"default: \1", fact))
    return names, " ".join(filter(None, [text, f"[{'; '.join(kept)}]" if kept else ""])), variable


def usage(context: Any) -> str:
    """The line that shows how a command is typed."""
    command = context.command
    arguments = [one for one in command.params if one.param_type_name == "argument"]
    words = [context.command_path, "[OPTIONS]", *map(_placeholder, arguments)]
    return " ".join([*words, "COMMAND"] if hasattr(command, "commands") else words)


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    name += "..." if argument.nargs != 1 and not name.endswith("...") else ""
    return name if argument.required or name.startswith("[") else f"[{name}]"


def _value(kind: re.Match[str]) -> str:
    """What stands for a value of this type; of an option that can be repeated, for one of its values."""
    if choices := re.fullmatch(r"list\[(.*\|.*)\]", kind[1]):
        return choices[1]
    return _TYPES.get(kind[1]) or ("FILE" if kind[1] in _PATHS else kind[1])


def _is_long(command: Any) -> bool:
    """Whether the page leaves something to --help-all."""
    return len(command.params) > _MANY or command.name == _ROOT


def _lines(context: Any, whole: bool, width: int) -> Iterator[str]:
    command = context.command
    if command.name == _ROOT:
        yield f"Usage: {context.command_path} [QUESTION]"
    yield f"Usage: {usage(context)}"
    for paragraph in inspect.cleandoc(command.help or "").split("\n\n"):
        yield from ("", *textwrap.wrap(paragraph, width, initial_indent="  ", subsequent_indent="  "))
    if examples := EXAMPLES.get(context.command_path.partition(" ")[2]):
        yield from ("", "Examples:", *(f"  {example}" for example in examples))
    for title, rows in _sections(context, whole):
        column = min(max(len(names) for names, _ in rows) + 4, _NAMES)
        yield from ("", f"{title}:")
        for names, text in rows:
            yield from _row(names, text, column, width)


def _sections(context: Any, whole: bool) -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """Arguments, options and commands, each with what it does; in full, the options by their groups."""
    parameters = context.command.get_params(context)
    sections: dict[str, list[tuple[str, str]]] = {}
    if not whole and _is_long(context.command):
        own = [one for one in parameters if one.rich_help_panel is None and one.name not in _SELDOM]
        daily = [one for one in parameters if one.name in _DAILY]
        daily.sort(key=lambda one: _DAILY.index(one.name))
        arguments = [one for one in own if one.param_type_name == "argument"]
        parameters = dict.fromkeys([*arguments, *daily, *own])
    for parameter in parameters:
        names, text, variable = described(parameter, context)
        usual = "Arguments" if parameter.param_type_name == "argument" else "Options"
        title = (whole and parameter.rich_help_panel) or usual
        said = f"{text} [{variable}]" if whole and variable else text
        if names:
            sections.setdefault(title, []).append((names, said))
    sections.setdefault("Commands", list(_commands(context, whole)))
    return ((title, rows) for title, rows in sections.items() if rows)


def _commands(context: Any, whole: bool) -> Iterator[tuple[str, str]]:
    """The commands below one; in full, those below them too."""
    for name, stub in list(getattr(context.command, "commands", {}).items()):
        if stub.hidden:
            continue
        below = context.command.resolve_command(context, [name])[1] if whole else stub
        yield name, inspect.cleandoc(below.help or "").partition("\n")[0]
        if whole:
            inner = typer.Context(below, info_name=name, parent=context)
            yield from ((f"{name} {each}", text) for each, text in _commands(inner, whole))


def _row(names: str, text: str, column: int, width: int) -> Iterator[str]:
    """Names and what they mean, beside or below them."""
    first = f"  {names}"
    if len(first) > column - 2:
        yield first
        first = ""
    for line in textwrap.wrap(text, max(width - column, 20)) or [""]:
        yield f"{first:<{column}}{line}".rstrip()
        first = ""


def _show(context: typer.Context, parameter: typer.CallbackParam, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        echo(page(context, whole=parameter.name == "whole_help"))
        raise typer.Exit


_app = typer.Typer(add_completion=False)


@_app.command(context_settings={"help_option_names": []})
def _options(
    help_: Annotated[
        bool,
        typer.Option("--help", "-h", help="Show this help.", callback=_show, is_eager=True, expose_value=False),
    ] = False,
    whole_help: Annotated[
        bool,
        typer.Option("--help-all", help="Show every option.", callback=_show, is_eager=True, expose_value=False),
    ] = False,
) -> None:
    """The options that show help, made by Typer."""


_HELP = typer.main.get_command(_app).params
