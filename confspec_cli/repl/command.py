"""What a command of the REPL is: plain data, and the function behind it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from confspec_cli.repl.chat import Chat


@dataclass(frozen=True, slots=True)
class Command:
    """One command. `arguments` is what it takes, for people; `kinds` what each argument can be, for completion.

    A kind is `pair`, `model`, `mode`, `session`, `path`, or words joined by `|`. `run` gets the text after the name.
    """

    name: str
    arguments: str
    help: str
    run: Callable[[Chat, str], None]
    kinds: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is typed."""
        return f"{self.name} {self.arguments}".rstrip()
