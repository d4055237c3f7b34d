"""Commands about what was said: /regen, /undo, /edit, /file, /copy."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from confspec_cli.core.prompts import attached
from confspec_cli.core.run_config import Mode
from confspec_cli.errors import UsageError
from confspec_cli.files import read_text
from confspec_cli.render.wording import count
from confspec_cli.repl import turn
from confspec_cli.repl.chat import Chat
from confspec_cli.repl.command import Command
from confspec_cli.repl.explain_commands import last_turn


def _regen(chat: Chat, text: str) -> None:
    if text not in ("", "target"):
        raise UsageError(f"/regen takes target or nothing, not {text}.", "/regen target")
    question = last_turn(chat).user
    options = chat.options
    if text:
        chat.change_options(replace(options, mode=Mode.TARGET))
    elif options.temperature == 0:
        chat.screen.say("Greedy: with the same settings the same is written. /set temperature 0.7 varies it.")
    try:
        _take_back(chat, 1)
        chat.changed()
        turn.ask(chat, question)
    finally:
        if text:
            chat.change_options(options)


def _undo(chat: Chat, text: str) -> None:
    if text and not (text.isdecimal() and int(text) > 0):
        raise UsageError(f"/undo takes a number of turns, not {text}.", "/undo 1")
    undone = _take_back(chat, int(text or 1))
    left = len(chat.record.turns())
    chat.screen.say(f"Took back {count(undone, 'turn')}; {left or 'none'} left.")


def _edit(chat: Chat, text: str) -> None:
    del text
    chat.pending, chat.editing = last_turn(chat).user, True
    chat.screen.say("Sending this replaces the last turn; Ctrl-C leaves it as it is, Ctrl-X Ctrl-E opens an editor.")


def _file(chat: Chat, text: str) -> None:
    if not text:
        raise UsageError("/file takes the path of a text file.", "/file notes.md")
    path = Path(text).expanduser()
    said = read_text(path)
    chat.attached.append(attached(path.name, said))
    chat.screen.say(f"{path.name}, {count(len(said), 'character')}, goes before the next message.")


def _copy(chat: Chat, text: str) -> None:
    del text
    reply = last_turn(chat).reply.strip("\n")
    encoded = base64.b64encode(reply.encode()).decode()
    chat.screen.raw(f"\x1b]52;c;{encoded}\a")
    chat.screen.say(
        f"Handed {count(len(reply), 'character')} to the terminal's clipboard (OSC 52); "
        "a terminal that does not know OSC 52 ignores it."
    )


def _take_back(chat: Chat, number: int) -> int:
    """Undo turns; how many. Raises UsageError where there are none."""
    last_turn(chat)
    undone = chat.record.undo(number)
    if not undone:
        raise UsageError("What the models were told to forget cannot be taken back.", "/new")
    chat.changed()
    return undone


COMMANDS = (
    Command(
        "/regen", "[target]", "asks the last question again, or has the target alone answer it", _regen, ("target",)
    ),
    Command("/undo", "[N]", "takes back the last turn, or the last N", _undo),
    Command("/edit", "", "puts the last question on the prompt, to send it anew", _edit),
    Command("/file", "PATH", "puts a text file before the next message", _file, ("path",)),
    Command("/copy", "", "copies the last answer through the terminal", _copy),
)
