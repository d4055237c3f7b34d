"""Set up a chat: the prompt with its commands, history and status line."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

from prompt_toolkit.history import DummyHistory, History
from prompt_toolkit.input import Input
from prompt_toolkit.output import Output

from confspec_cli.render.notices import Notices
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command_table import COMMANDS
from confspec_cli.repl.completion import CommandCompleter
from confspec_cli.repl.history import PrivateHistory
from confspec_cli.repl.prompt_line import Fittings, PromptLine
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.storage.session import Session
from confspec_cli.storage.session_store import SessionStore


@dataclass(frozen=True, slots=True)
class Terminal:
    """The terminal the chat uses. `history` is the file for the input history, or None to keep none.

    `input` and `output` replace the process's own in tests.
    """

    screen: Notices
    keyboard: TextIO
    history: Path | None = None
    vi: bool = False
    input: Input | None = None
    output: Output | None = None


def open_chat(pool: ModelPool, record: Session, store: SessionStore | None, terminal: Terminal) -> Chat:
    """A chat, ready to use."""

    def words(kind: str) -> Sequence[str]:
        return chat.words(kind)

    def toolbar(width: int) -> str:
        return chat.toolbar(width)

    def complain(problem: str) -> None:
        terminal.screen.say(problem, style="yellow")

    history: History = PrivateHistory(terminal.history, complain) if terminal.history else DummyHistory()
    completer = CommandCompleter({name: (one.help, one.kinds) for name, one in COMMANDS.items()}, words)
    desk = PromptLine(Fittings(history, completer, toolbar), terminal.vi, terminal.input, terminal.output)
    chat = Chat(pool, store, record, terminal.screen, desk, terminal.keyboard)
    return chat
