"""Every command of the REPL in one table, and finding the one that was meant."""

from __future__ import annotations

from confspec_cli.errors import UsageError, did_you_mean
from confspec_cli.repl import explain_commands as accounts
from confspec_cli.repl import model_commands as models
from confspec_cli.repl import session_commands as keeping
from confspec_cli.repl import setting_commands as settings
from confspec_cli.repl import turn_commands as turns
from confspec_cli.repl.chat import Chat
from confspec_cli.repl.command import Command
from confspec_cli.repl.turn import keys_of


def find(name: str) -> Command:
    """The command of that name. Raises UsageError, with the nearest one there is."""
    if name in COMMANDS:
        return COMMANDS[name]
    raise UsageError(
        f"There is no command {name}{did_you_mean(name, COMMANDS)}",
        "/help   # lists them; a message may begin with / after a space",
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
            ("Enter", 'sends; Alt-Enter or Ctrl-J begins a new line, and so does Enter between """ and """'),
            ("Ctrl-R", "searches what was typed before; a line that begins with a space is not kept"),
            ("Ctrl-X Ctrl-E", "opens the message in $EDITOR"),
            ("Ctrl-C", "stops the answer and keeps what there is"),
            ("Ctrl-D", "leaves"),
            *((f"{key} (meanwhile)", what) for key, what in keys_of(chat.config).items()),
            ("", "anything else that is typed while the models reason is not kept"),
        ]
    )


def _quit(chat: Chat, text: str) -> None:
    del text
    chat.leaving = True


COMMANDS = {
    command.name: command
    for command in (
        Command("/help", "[COMMAND]", "lists the commands and keys", _help),
        Command("/quit", "", "leaves; so does Ctrl-D", _quit),
        *models.COMMANDS,
        *settings.COMMANDS,
        *accounts.COMMANDS,
        *turns.COMMANDS,
        *keeping.COMMANDS,
    )
}
