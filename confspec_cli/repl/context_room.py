"""A context that fills up: first a warning, then a question. Nothing is dropped without asking.

The system prompt always stays. Dropped turns stay in the saved session; only the models no longer see them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from confspec_cli.core.events import RunFinished
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.prompts import SUMMARISE
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.errors import ContextFull
from confspec_cli.render.wording import count
from confspec_cli.repl import status
from confspec_cli.repl.chat_state import Chat

WARN_AT = 0.8
_ROOM = 256  # tokens that must be left for an answer; an eighth of a small context
_ENOUGH = 0.5  # how full the context may be once the oldest turns are dropped
_CHOICES = {"s": "stop", "d": "drop the oldest turns", "m": "summarise them with the target"}

Play = Callable[[Prompt, RunConfig], RunFinished]


def warn(chat: Chat) -> None:
    """Warn when most of the context is used."""
    if chat.use.share >= WARN_AT:
        how = "full" if chat.use.share >= 1 else "nearly full"
        then = "When it fills up you can choose what to drop; /new starts over."
        chat.screen.say(f"Context {how}: {chat.use}. {then}", style="yellow")


def has_room(chat: Chat, question: str, play: Play) -> bool:
    """Whether a question fits, after asking what to drop if necessary; otherwise it goes back to the prompt.

    Raises ContextFull for a question that does not fit even in an empty context.
    """
    while not _fits(chat, chat.record.messages(), question):
        if not _turns(chat.record.messages()):
            chat.pending = question
            raise ContextFull(
                "This message is too long for the context, even on its own.", "confspec chat --context 16384"
            )
        chat.screen.say(f"The context is full: {chat.use} and the new message.", style="yellow")
        if not make_room(chat, question, play, besides=0):
            chat.pending = question
            return False
    return True


def is_worth_dropping(chat: Chat) -> bool:
    """Whether there are older turns to drop than the last one."""
    return len(_turns(chat.record.messages())) > 1


def make_room(chat: Chat, question: str, play: Play, besides: int) -> bool:
    """Ask what to do about a full context, and do it; False when the answer is "nothing". The last `besides` turns "
    "stay."""
    answer = chat.desk.choose("What now?", _CHOICES)
    messages = chat.record.messages()
    dropped = _how_many(chat, messages, question, besides)
    if answer == "m":
        while dropped > 1 and not _fits(chat, _oldest_of(messages, dropped), SUMMARISE):
            dropped -= 1
        summary = _summary(chat, messages, dropped, play)
        if not summary:
            chat.screen.say("The summary failed; nothing was dropped.", style="yellow")
            return False
        chat.record.forget(dropped, summary)
        chat.screen.say(f"A summary replaces the {_oldest(dropped)} in the context.")
    elif answer == "d":
        chat.record.forget(dropped)
        chat.screen.say(f"The {_oldest(dropped)} {'was' if dropped == 1 else 'were'} dropped from the context.")
    else:
        return False
    chat.changed()
    return True


def _oldest(number: int) -> str:
    return "oldest turn" if number == 1 else f"{count(number, 'oldest turn')}"


def _fits(chat: Chat, messages: Sequence[Message], question: str) -> bool:
    """Whether the question fits after the messages and leaves room for an answer."""
    try:
        prompt = chat.pool.prompt(question, chat.record.system, tuple(messages), chat.config)
    except ContextFull:
        return False
    use = status.usage(prompt, chat.pool.engines)
    return use.used + min(_ROOM, use.total // 8) <= use.total


def _how_many(chat: Chat, messages: tuple[Message, ...], question: str, besides: int) -> int:
    """How many of the oldest turns to drop: as few as leave half the context free, or all that may be dropped."""
    most = len(_turns(messages)) - besides
    head = len(messages) - 2 * len(_turns(messages))
    for number in range(1, most):
        left = (*messages[:head], *messages[head + 2 * number : len(messages) - 2 * besides])
        use = status.usage(Prompt((*left, Message("user", question))), chat.pool.engines)
        if use.share <= _ENOUGH:
            return number
    return most


def _turns(messages: Sequence[Message]) -> list[Message]:
    """The user's messages that the models still see, without summaries."""
    return [message for message in messages if message.role == "user" and message.content != SUMMARISE]


def _oldest_of(messages: tuple[Message, ...], number: int) -> tuple[Message, ...]:
    """The start of a conversation: the system prompt, any summary, and the oldest turns."""
    return messages[: len(messages) - 2 * len(_turns(messages)) + 2 * number]


def _summary(chat: Chat, messages: tuple[Message, ...], number: int, play: Play) -> str:
    """A summary of the oldest turns and of any earlier summary, written by the target if there is one."""
    prompt = chat.pool.prompt(SUMMARISE, chat.record.system, _oldest_of(messages, number), chat.config)
    engines = chat.pool.engines
    mode = Mode.TARGET if Author.TARGET in engines else Mode.DRAFT
    budget = min(engine.card.context for engine in engines.values()) // 4
    finished = play(prompt, replace(chat.config, mode=mode, max_tokens=min(budget, chat.config.max_tokens)))
    return finished.reply.strip() if finished.reason in (FinishReason.STOP, FinishReason.LENGTH) else ""
