"""The table of all chat commands, and the lookup by name."""

from __future__ import annotations

from confspec_cli.errors import UsageError, did_you_mean
from confspec_cli.repl import explain_commands as explanations
from confspec_cli.repl import model_commands as models
from confspec_cli.repl import session_commands as sessions
from confspec_cli.repl import setting_commands as settings
from confspec_cli.repl import turn_commands as turns
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command import Command
from confspec_cli.repl.turn import keys_of


def find(name: str) -> Command:
    """The command with this name. Raises UsageError that suggests the nearest one."""
    name = ALIASES.get(name, name)
    if name in COMMANDS:
        return COMMANDS[name]
    raise UsageError(
        f"Unknown command {name}{did_you_mean(name, COMMANDS)}",
        "/help   # lists the commands; to send a message starting with /, type a space first",
    )


def _help(chat: Chat, text: str) -> None:
    if text:
        command = find(text if text.startswith("/") else f"/{text}")
        chat.screen.rows([(command.usage, command.help)])
        return
    chat.screen.rows([(command.usage, command.help) for command in COMMANDS.values()])
    chat.screen.say("")
    chat.screen.rows(
        [
            ("Enter", 'sends; Alt-Enter or Ctrl-J starts a new line, and so does Enter between """ and """'),
            ("Ctrl-R", "searches the input history; lines that start with a space are not saved"),
            ("Ctrl-X Ctrl-E", "opens the message in $EDITOR"),
            ("Ctrl-C", "stops the answer and keeps what has been written"),
            ("Ctrl-D", "quits"),
            ("Ctrl-Z", "suspends confspec; fg in the shell brings it back"),
            *(
                (f"Alt-{key}", f"while the models work: {what}")
                for key, what in keys_of(chat.config, chat.pool.can_steer).items()
            ),
            ("", "Esc and then the letter does the same; anything else you type waits on the next prompt"),
        ]
    )


def _quit(chat: Chat, text: str) -> None:
    del text
    chat.leaving = True


ALIASES = {
    **dict.fromkeys(("/exit", "/bye"), "/quit"),
    "/clear": "/new",
    "/h": "/help",
}
"""Other names that people type out of habit."""

COMMANDS = {
    command.name: command
    for command in (
        Command("/help", "[COMMAND]", "lists the commands and keys", _help),
        Command("/quit", "", "quits, like Ctrl-D and a plain exit or quit", _quit),
        *models.COMMANDS,
        *settings.COMMANDS,
        *explanations.COMMANDS,
        *turns.COMMANDS,
        *sessions.COMMANDS,
    )
}
