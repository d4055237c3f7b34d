"""Commands that explain: /steps, /why, /stats, /context."""

from __future__ import annotations

from confspec_cli.core.conversation import Turn
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.trace import Origin, Step
from confspec_cli.errors import UsageError
from confspec_cli.render import wording
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command import Command
from confspec_cli.repl.status import Usage


def last_turn(chat: Chat) -> Turn:
    """The last turn. Raises UsageError when there is none yet."""
    turns = chat.record.turns()
    if not turns:
        raise UsageError("There is no answer yet.")
    return turns[-1]


def _steps(chat: Chat, text: str) -> None:
    if text in ("show", "hide"):
        chat.hides_steps = text == "hide"
        chat.screen.say(
            "Steps are shown." if text == "show" else "Steps are hidden; Alt-s during an answer shows them."
        )
    elif text:
        raise UsageError(f'/steps takes show or hide, not "{text}".', "/steps   # the steps of the last answer")
    else:
        chat.screen.steps(last_turn(chat).steps)


def _why(chat: Chat, text: str) -> None:
    turn = last_turn(chat)
    steps = turn.steps
    if not steps:
        raise UsageError("The last answer has no finished steps.")
    if not text:
        step = _most_telling(steps)
    elif text.isdecimal() and 1 <= int(text) <= len(steps):
        step = steps[int(text) - 1]
    else:
        numbers = "the only step is 1" if len(steps) == 1 else f"its steps are 1 to {len(steps)}"
        raise UsageError(f"The last answer has no step {text}; {numbers}.", "/steps")
    chat.screen.why(step, turn)


def _most_telling(steps: tuple[Step, ...]) -> Step:
    """The last step that was not simply accepted from the draft, or else the last step."""
    return next((step for step in reversed(steps) if step.origin is not Origin.DRAFT), steps[-1])


def _stats(chat: Chat, text: str) -> None:
    del text
    chat.screen.items(["last answer", *wording.summary(last_turn(chat).stats)])
    chat.screen.items(["whole chat", *wording.summary(chat.stats)])
    for line in wording.breakdown(chat.stats):
        chat.screen.say(line)


def _context(chat: Chat, text: str) -> None:
    del text
    messages = chat.record.messages()
    starts = [index for index, message in enumerate(messages) if message.role == "user"]
    for author, engine in chat.pool.engines.items():
        used = engine.count(Prompt(messages)) if starts else 0
        chat.screen.say(str(Usage(used, engine.card.context)) + f", {author.value}", style="")
    if not starts:
        return
    engine = list(chat.pool.engines.values())[-1]
    before = 0
    for turn, (start, end) in enumerate(zip(starts, [*starts[1:], len(messages)], strict=True), 1):
        used = engine.count(Prompt(messages[:end]))
        if start and not before:  # what comes before the first turn
            before = engine.count(Prompt((*messages[:start], Message("user", ""))))
            chat.screen.say(f"{before:>8,}  system prompt (always kept)")
        chat.screen.say(f"{used - before:>8,}  turn {turn}: {' '.join(messages[start].content.split())[:60]}")
        before = used


COMMANDS = (
    Command(
        "/steps",
        "[show|hide]",
        "shows the steps of the last answer, or shows or hides those to come",
        _steps,
        ("show|hide",),
    ),
    Command("/why", "[N]", "explains how step N of the last answer was decided", _why),
    Command("/stats", "", "shows time and token statistics", _stats),
    Command("/context", "", "shows what is in the context", _context),
)
