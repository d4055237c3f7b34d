"""One question and its answer: the run, the live keys during it, and the messages after it."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace

from confspec_cli.core.conversation import Turn
from confspec_cli.core.events import Event, RunFinished, Warned
from confspec_cli.core.messages import Prompt
from confspec_cli.core.policy import AdaptiveDrafting
from confspec_cli.core.run_config import RunConfig, authors
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import EngineError, Exit, Interrupted
from confspec_cli.render.collapsible import CollapsibleView
from confspec_cli.render.ticking import Ticking
from confspec_cli.repl import context_room as context
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.live_keys import LiveKeys
from confspec_cli.runtime.signals import Suspension

_KEYS = {
    "a": "answer now",
    "e": "asking the target to check this step",
    "t": "the target takes over from here",
    "s": "show or hide the steps",
}
_HINTS = {"a": "answer now", "e": "check", "t": "target", "s": "steps"}


def ask(chat: Chat, question: str) -> None:
    """Ask a question; when the context is full, make room and ask again."""

    def aside(prompt: Prompt, config: RunConfig) -> RunFinished:
        """A run that is not part of the conversation."""
        return play(chat, prompt, config, lambda _: None)

    chat.heed(question)
    while context.has_room(chat, question, aside):
        finished = _answer(chat, question)
        is_full = finished.reason is FinishReason.CONTEXT and context.is_worth_dropping(chat)
        if is_full and context.make_room(chat, question, aside, besides=1):
            _take_back(chat)
            continue
        if finished.reason in (FinishReason.INTERRUPTED, FinishReason.CONTEXT) and _is_silent(chat, finished):
            _take_back(chat)
            chat.pending = question
            chat.screen.say("Stopped before any output; your question is back on the prompt.")
        break
    context.warn(chat)


def go_on(chat: Chat, unfinished: Turn) -> None:
    """Go on with the last turn, whose reply was cut off, from its last step."""
    _answer(chat, unfinished.user, unfinished)
    context.warn(chat)


def keys_of(config: RunConfig, can_steer: bool = True) -> dict[str, str]:
    """The keys that act during a run, with Alt, and what they do."""
    steers = ("aet" if len(authors(config.mode)) > 1 else "a") if can_steer else ""
    return {key: what for key, what in _KEYS.items() if key in f"{steers}s"}


def play(
    chat: Chat,
    prompt: Prompt,
    config: RunConfig,
    keep: Callable[[Event], Warned | None],
    drafting: AdaptiveDrafting | None = None,
    unfinished: Turn | None = None,
) -> RunFinished:
    """Run to the end, from the steps of an unfinished turn, and show it live, each event saved before it is shown."""
    steering = Steering()
    keyed = {"a": steering.answer_now, "e": steering.escalate_step, "t": steering.target_from_here, "s": _nothing}
    actions = {key: keyed[key] for key in keys_of(config, chat.pool.can_steer)}
    hints = ["Ctrl-C stop", *(f"Alt-{key} {_HINTS[key]}" for key in actions)]
    way = (config.pair, config.task.name, config.mode, config.gate)
    show, chat.way = replace(chat.show, header=way != chat.way), way
    view = chat.screen.view(show, chat.hides_steps, hints, chat.pool.reading)
    last: Event | None = None
    keys = LiveKeys(chat.keyboard, actions)
    try:
        with chat.pool.stopping() as signals, keys, _suspension(view, keys) as suspension:
            earlier = unfinished.steps if unfinished else None
            for event in chat.pool.run(prompt, config, steering, drafting, earlier):
                warning = keep(event)
                with suspension.drawing():
                    for key in keys.pressed():
                        with view.held() as steps:
                            steps.toggle() if key == "s" else steps.note(f"Alt-{key}: {_KEYS[key]}")
                    view.handle(event)
                    if warning:
                        view.handle(warning)
                last = event
    finally:
        view.close()
        with view.held() as steps:
            chat.hides_steps = steps.collapsed
        chat.typed += keys.typed
    if signal.SIGTERM in signals:
        stopped = Interrupted("Stopped.")
        stopped.exit_code = Exit.TERMINATED
        raise stopped
    assert isinstance(last, RunFinished)
    return last


def _suspension(view: Ticking[CollapsibleView], keys: LiveKeys) -> Suspension:
    """Ctrl-Z during a run: the terminal is handed over as the shell knows it, and the live step drawn again after."""

    def pause() -> None:
        view.pause()
        keys.pause()

    def resume() -> None:
        keys.resume()
        view.resume()

    return Suspension(pause, resume)


def _answer(chat: Chat, question: str, unfinished: Turn | None = None) -> RunFinished:
    """Ask once, or go on with an unfinished turn. A turn without any output is taken back if a model failed."""
    before_it = chat.record.messages(besides=int(unfinished is not None))
    prompt = chat.pool.prompt(question, chat.record.system, before_it, chat.config)
    engines = chat.pool.engines
    before = {author: engine.tokens_read for author, engine in engines.items()}
    said = len(chat.record.turns())

    def keep(event: Event) -> Warned | None:
        chat.count(event)
        return chat.keep(event)

    try:
        return play(chat, prompt, chat.config, keep, chat.drafting, unfinished)
    except EngineError:
        turns = chat.record.turns()
        if turns and turns[-1].steps:
            chat.screen.say("/retry continues from the last step.")
        elif len(turns) > said:
            chat.record.undo(1)
            chat.pending = question
        raise
    finally:
        chat.changed()
        if chat.show.stats:
            read = {author.value: engine.tokens_read - before[author] for author, engine in engines.items()}
            each = ", ".join(f"{name} {count}" for name, count in read.items())
            chat.screen.say(f"prompt: {sum(read.values()):,} new tokens" + (f" ({each})" if len(read) > 1 else ""))
        chat.screen.say("")


def _is_silent(chat: Chat, finished: RunFinished) -> bool:
    """Whether the last turn produced no text."""
    return not (chat.record.turns()[-1].steps or finished.partial)


def _take_back(chat: Chat) -> None:
    chat.record.undo(1)
    chat.changed()


def _nothing() -> None:
    """Showing and hiding steps is done by the main thread."""
