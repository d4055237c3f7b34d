"""Commands about turns: /regen, /undo, /edit, /file, /copy."""

from __future__ import annotations

import base64
from dataclasses import replace
from pathlib import Path

from confspec_cli.core.conversation import Turn
from confspec_cli.core.prompts import attached
from confspec_cli.core.run_config import Mode
from confspec_cli.core.trace import Cause, FinishReason
from confspec_cli.errors import UsageError
from confspec_cli.files import read_text
from confspec_cli.render.wording import count
from confspec_cli.repl import turn
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command import Command
from confspec_cli.repl.explain_commands import last_turn

_STEPPED_IN = (Cause.ANSWER_NOW, Cause.ESCALATE_STEP, Cause.TARGET_FROM_HERE)


def _regen(chat: Chat, text: str) -> None:
    if text not in ("", "target"):
        raise UsageError(f'/regen takes target or nothing, not "{text}".', "/regen target")
    question = last_turn(chat).user
    options = chat.options
    if text:
        chat.change_options(replace(options, mode=Mode.TARGET))
    elif _would_repeat(chat, last_turn(chat)):
        raise UsageError(
            "Temperature is 0, so the answer would be the same.", "/set temperature 0.7   # or /regen target"
        )
    try:
        _take_back(chat, 1)
        chat.changed()
        turn.ask(chat, question)
    finally:
        if text:
            chat.change_options(options)


def _retry(chat: Chat, text: str) -> None:
    unfinished = last_turn(chat)
    if text or not unfinished.is_unfinished:
        _regen(chat, text)
    else:
        turn.go_on(chat, unfinished)


def _would_repeat(chat: Chat, turn: Turn) -> bool:
    """Whether asking again would write the same: greedily, with the same settings, and nobody stepped in."""
    before, now = turn.started, chat.config.parameters()
    models = {author.value: engine.card.name for author, engine in chat.pool.engines.items()}
    is_same = (
        before.mode == chat.options.mode.value
        and models == {author: card.name for author, card in before.models.items()}
        and before.system == (chat.record.system or "")
        and now == {name: before.parameters.get(name) for name in now}
    )
    stepped_in = turn.reason is FinishReason.INTERRUPTED or any(step.cause in _STEPPED_IN for step in turn.steps)
    return chat.options.temperature == 0 and is_same and not stepped_in


def _undo(chat: Chat, text: str) -> None:
    if text and not (text.isdecimal() and int(text) > 0):
        raise UsageError(f'/undo takes a number of turns, not "{text}".', "/undo 1")
    undone = _take_back(chat, int(text or 1))
    left = len(chat.record.turns())
    chat.screen.say(f"Removed the last {'turn' if undone == 1 else count(undone, 'turn')}; {left or 'none'} left.")


def _edit(chat: Chat, text: str) -> None:
    del text
    chat.pending, chat.editing = last_turn(chat).user, True
    chat.screen.say("Sending this replaces the last turn; Ctrl-C cancels, Ctrl-X Ctrl-E opens an editor.")


def _file(chat: Chat, text: str) -> None:
    if not text:
        raise UsageError("/file takes the path of a text file.", "/file notes.md")
    path = Path(text).expanduser()
    said = read_text(path)
    chat.attached.append(attached(path.name, said))
    chat.screen.say(f"{path.name} ({len(said):,} characters) will be sent with your next message.")


def _copy(chat: Chat, text: str) -> None:
    del text
    reply = last_turn(chat).reply.strip("\n")
    encoded = base64.b64encode(reply.encode()).decode()
    chat.screen.raw(f"\x1b]52;c;{encoded}\a")
    chat.screen.say(f"Copied {count(len(reply), 'character')} (if your terminal supports OSC 52).")


def _take_back(chat: Chat, number: int) -> int:
    """Undo turns and return how many. Raises UsageError where there are none."""
    last_turn(chat)
    undone = chat.record.undo(number)
    if not undone:
        raise UsageError("Turns already dropped from the context can't be undone.", "/new")
    chat.changed()
    return undone


COMMANDS = (
    Command(
        "/regen", "[target]", "asks the last question again, or has the target alone answer it", _regen, ("target",)
    ),
    Command("/retry", "", "goes on with a reply that was cut off, from its last step; else like /regen", _retry),
    Command("/undo", "[N]", "removes the last turn, or the last N", _undo),
    Command("/edit", "", "puts the last question back on the prompt", _edit),
    Command("/file", "PATH", "sends a text file with the next message", _file, ("path",)),
    Command("/copy", "", "copies the last answer to the clipboard", _copy),
)
