"""The main loop of the chat: read, answer, repeat. Errors are printed as sentences and do not end it."""

from __future__ import annotations

from confspec_cli.errors import ClosedPipe, ConfspecError, Exit, Interrupted
from confspec_cli.repl import command_table as commands
from confspec_cli.repl import lines, turn
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.session_commands import greet
from confspec_cli.runtime import signals


def converse(chat: Chat) -> None:
    """Chat until the user quits. Raises Interrupted when the process is told to terminate."""
    names = " + ".join(engine.card.name for engine in chat.pool.engines.values())
    chat.screen.items([*dict.fromkeys([chat.pool.pair, names]), "/help for commands", "Ctrl-D to quit"])
    greet(chat)
    while not chat.leaving:
        try:
            _once(chat)
        except EOFError:
            return
        except ClosedPipe:
            raise
        except ConfspecError as error:
            chat.screen.explain(error)
        except Interrupted as stopped:
            if stopped.exit_code != Exit.INTERRUPTED:
                raise
            signals.forget()
            chat.screen.say("Stopped.")


def _once(chat: Chat) -> None:
    given = "\n".join(filter(None, (chat.pending, chat.typed)))
    chat.pending = chat.typed = ""
    try:
        typed = chat.desk.read(given)
    except KeyboardInterrupt:
        chat.editing = False
        chat.screen.say("Press Ctrl-D (or type /quit) to exit.")
        return
    line = lines.read(typed)
    if line.command:
        commands.find(line.command).run(chat, line.text)
        return
    if not line.text:
        return
    if chat.editing:
        chat.editing = False
        chat.record.undo(1)
        chat.changed()
    try:
        turn.ask(chat, "\n\n".join([*chat.attached, line.text]))
    finally:
        if chat.pending:  # it did not fit in the context
            chat.pending = line.text
        else:
            chat.attached.clear()
