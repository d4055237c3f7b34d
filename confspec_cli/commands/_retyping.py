"""A hint about options as the whole command to type: the command line that failed, with the hint applied to it."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from typing import Any

_LONGEST = 400  # characters of a command that is worth showing
_OPTION = re.compile(r"--\w[\w-]*")


def retyped(hint: str, argv: Sequence[str], command: Any) -> str:
    """The command to type where a hint begins with options, or with options to add or leave out; else the hint.

    `command` is Typer's of the first word.
    """
    wish = re.fullmatch(r"(?P<verb>leave out |add |)(?P<options>--[^#]*?)(?P<comment>\s+#.*)?", hint)
    if wish is None:
        return hint
    path = list(argv[:1])
    for word in argv[1:]:
        if word not in getattr(command, "commands", ()):
            break
        path.append(word)
        command = command.commands[word]
    added = [] if wish["verb"] == "leave out " else shlex.split(wish["options"])
    named = {name for text in _OPTION.findall(wish["options"]) for name in _spellings(command, text)}
    given = list(argv[len(path) :])
    kept = list(_without(given, named, command))
    if not added and kept == given:  # it was not typed: it stands in a template or in the environment
        return hint
    said = shlex.join(["confspec", *path, *added, *kept])
    return said + (wish["comment"] or "") if len(said) <= _LONGEST else hint


def _without(words: Sequence[str], names: set[str], command: Any) -> Iterator[str]:
    """The words of a command line without these options and their values."""
    rest = iter(words)
    for word in rest:
        name, has_value, _ = word.partition("=")
        if word == "--":
            yield word
            yield from rest
        elif name not in names:
            yield word
        elif not has_value and not _is_flag(command, name):
            next(rest, None)


def _spellings(command: Any, name: str) -> list[str]:
    """All names of an option, `--no-` forms among them."""
    option = _option(command, name)
    return [*option.opts, *option.secondary_opts] if option else [name]


def _is_flag(command: Any, name: str) -> bool:
    return bool(getattr(_option(command, name), "is_flag", False))


def _option(command: Any, name: str) -> Any:
    return next((one for one in command.params if name in (*one.opts, *one.secondary_opts)), None)
