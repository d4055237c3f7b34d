"""Commands about the models: /pair, /draft, /target, /mode. Only models that change are loaded."""

from __future__ import annotations

from dataclasses import replace

from confspec_cli.core.run_config import Mode
from confspec_cli.errors import UsageError
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command import Command


def _pair(chat: Chat, text: str) -> None:
    if text:
        chat.change_options(replace(chat.options, pair=text, draft=None, target=None))
    _say(chat)


def _draft(chat: Chat, text: str) -> None:
    if text:
        chat.change_options(replace(chat.options, draft=text))
    _say(chat)


def _target(chat: Chat, text: str) -> None:
    if text:
        chat.change_options(replace(chat.options, target=text))
    _say(chat)


def _mode(chat: Chat, text: str) -> None:
    modes = {mode.value: mode for mode in Mode}
    if text and text not in modes:
        raise UsageError(f'Unknown mode "{text}".', f"/mode {'|'.join(modes)}")
    if text:
        chat.change_options(replace(chat.options, mode=modes[text]))
    _say(chat)


def _say(chat: Chat) -> None:
    names = [f"{author.value} {engine.card.name}" for author, engine in chat.pool.engines.items()]
    chat.screen.items([chat.pool.pair, f"mode {chat.options.mode.value}", *names])


COMMANDS = (
    Command("/pair", "[NAME]", "shows or switches the pair", _pair, ("pair",)),
    Command("/draft", "[NAME|FILE]", "switches the draft model", _draft, ("model",)),
    Command("/target", "[NAME|FILE]", "switches the target model", _target, ("model",)),
    Command("/mode", "[MODE]", "shows or changes which models write and check", _mode, ("mode",)),
)
