"""A chat command: its name, help, arguments and function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from confspec_cli.repl.chat_state import Chat


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `arguments` is shown in the help; `kinds` says how to complete each argument.

    A kind is `pair`, `model`, `mode`, `session`, `path`, or words joined by `|`. `run` gets the text after the name.
    """

    name: str
    arguments: str
    help: str
    run: Callable[[Chat, str], None]
    kinds: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How to type it."""
        return f"{self.name} {self.arguments}".rstrip()
