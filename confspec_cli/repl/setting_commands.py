"""Commands about settings: /set and its table, /accept, /reject, /system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from confspec_cli.core.messages import INT32_MAX, Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import UsageError, did_you_mean
from confspec_cli.render.options import Steps
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.command import Command


@dataclass(frozen=True, slots=True)
class Setting:
    """A setting of /set. `takes` describes its values; `change` is given the text."""

    takes: str
    help: str
    value: Callable[[Chat], object]
    change: Callable[[Chat, str], None]


def _number(name: str, text: str, least: float, most: float) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not least <= number <= most:
        raise UsageError(f'{name} must be a number from {least} to {most}, not "{text}".', f"/set {name} {least:g}")
    return number


def _threshold(name: str) -> Setting:
    """One of the gate's two thresholds; when they would cross, the other one is reset."""

    def change(chat: Chat, text: str) -> None:
        if chat.options.mode is not Mode.CONFSPEC:
            raise UsageError("Thresholds only apply in mode confspec.", "/mode confspec")
        value = None if text == "default" else _number(name, text, 0, 1)
        options = replace(chat.options, gate=None)
        if name == "accept":
            crosses = value is not None and options.reject is not None and options.reject > value
            chat.change_options(replace(options, accept=value, reject=None if crosses else options.reject))
        else:
            crosses = value is not None and options.accept is not None and options.accept < value
            chat.change_options(replace(options, reject=value, accept=None if crosses else options.accept))

    side = "above" if name == "accept" else "below"
    what = f"{name} drafts at or {side} this confidence"
    return Setting("0..1|default", what, lambda chat: getattr(chat.config.gate, name), change)


def _real(name: str, help_: str, most: float) -> Setting:
    """A sampling number."""

    def change(chat: Chat, text: str) -> None:
        changes: dict[str, Any] = {name: _number(name, text, 0, most)}
        chat.change_options(replace(chat.options, **changes))

    return Setting(f"0..{most:g}", help_, lambda chat: getattr(chat.config.sampling, name), change)


def _whole(name: str, help_: str, least: int, value: Callable[[Chat], object]) -> Setting:
    """An integer, or the default."""

    def change(chat: Chat, text: str) -> None:
        if text == "default" and name != "top_k":
            number = None
        else:
            number = int(_number(name, text if text.isdecimal() else f"{text}!", least, INT32_MAX))
        changes: dict[str, Any] = {name: number}
        chat.change_options(replace(chat.options, **changes))

    return Setting("NUMBER|default", help_, value, change)


def _switch(help_: str, value: Callable[[Chat], bool], turn: Callable[[Chat, bool], None]) -> Setting:
    """A setting that is on or off."""

    def change(chat: Chat, text: str) -> None:
        if text not in ("on", "off"):
            raise UsageError(f'Only on or off is possible here, not "{text}".', "/set   # lists the settings")
        turn(chat, text == "on")

    return Setting("on|off", help_, lambda chat: "on" if value(chat) else "off", change)


def _show(name: str, help_: str) -> Setting:
    """Something to show with the steps."""

    def turn(chat: Chat, on: bool) -> None:
        changes: dict[str, Any] = {name: on}
        chat.show = replace(chat.show, **changes)

    return _switch(help_, lambda chat: bool(getattr(chat.show, name)), turn)


def _steps_shown(chat: Chat) -> object:
    return "none" if chat.hides_steps else "brief" if chat.show.brief else "full"


def _show_steps(chat: Chat, text: str) -> None:
    if text not in [steps.value for steps in Steps]:
        raise UsageError(f'steps must be full, brief or none, not "{text}".', "/set steps brief")
    chat.hides_steps = text == "none"
    chat.show = replace(chat.show, brief=text == "brief")


def _choice(name: str, choices: list[str], help_: str, value: Callable[[Chat], object]) -> Setting:
    """One of several words, or the default."""
    meanings = {"on": True, "off": False, **{task.value: task for task in TaskName}}

    def change(chat: Chat, text: str) -> None:
        if text not in (*choices, "default"):
            raise UsageError(
                f'{name} must be {", ".join(choices)} or default, not "{text}".', f"/set {name} {choices[0]}"
            )
        changes: dict[str, Any] = {name: None if text == "default" else meanings[text]}
        chat.change_options(replace(chat.options, **changes))

    return Setting("|".join([*choices, "default"]), help_, value, change)


def _budget(chat: Chat) -> object:
    return "none" if chat.options.think_budget is None else chat.options.think_budget


def _think(chat: Chat) -> object:
    return {None: "default", True: "on", False: "off"}[chat.options.think]


def _seed(chat: Chat) -> object:
    return "random" if chat.options.seed is None else chat.options.seed


def _speculate(chat: Chat, text: str) -> None:
    if text not in [speculation.value for speculation in Speculation]:
        raise UsageError(f'speculate must be off, ngram, draft or auto, not "{text}".', "/set speculate auto")
    chat.change_options(replace(chat.options, speculate=Speculation(text)))


def _vi(chat: Chat, on: bool) -> None:
    chat.desk.vi = on


def _gate(chat: Chat, text: str) -> None:
    name = None if text == "auto" else text
    chat.change_options(replace(chat.options, gate=name, accept=None, reject=None, min_token_prob=None))


SETTINGS = {
    "gate": Setting(
        "NAME|target|auto",
        "measured gate to use; auto is the fastest here",
        lambda chat: chat.options.gate or "auto",
        _gate,
    ),
    "accept": _threshold("accept"),
    "reject": _threshold("reject"),
    "max_tokens": _whole(
        "max_tokens", "maximum length of the reply, in tokens", 1, lambda chat: chat.config.max_tokens
    ),
    "max_step_tokens": _whole(
        "max_step_tokens", "maximum length of a step, in tokens", 1, lambda chat: chat.config.max_step_tokens
    ),
    "temperature": _real("temperature", "0 is greedy", 100),
    "top_k": _whole("top_k", "sample from the k most likely tokens", 1, lambda chat: chat.config.sampling.top_k),
    "top_p": _real("top_p", "keep the most likely tokens up to this total probability", 1),
    "min_p": _real("min_p", "drop tokens below this fraction of the top token's probability", 1),
    "seed": _whole("seed", "set a number for repeatable sampling", 0, _seed),
    "speculate": Setting(
        "|".join(speculation.value for speculation in Speculation),
        "token-level speculation",
        lambda chat: chat.config.sampling.speculation.value,
        _speculate,
    ),
    "task": _choice(
        "task",
        [name.value for name in TaskName],
        "kind of work; sets the prompt and thresholds",
        lambda chat: chat.config.task.name.value,
    ),
    "think": _choice("think", ["on", "off"], "let reasoning models think first", _think),
    "think_budget": _whole("think_budget", "stop thinking after this many tokens", 0, _budget),
    "steps": Setting("full|brief|none", "how much of each step to show", _steps_shown, _show_steps),
    "confidence": _show("confidence", "show each model's confidence in every step"),
    "rejected": _show("rejected", "keep rejected draft steps on screen"),
    "stats": _show("stats", "show timing and acceptance rates after each answer"),
    "vi": _switch("vi key bindings instead of Emacs ones", lambda chat: chat.desk.vi, _vi),
}


def _set(chat: Chat, text: str) -> None:
    name, _, value = text.partition(" ")
    if not name:
        chat.screen.rows([(f"{name} {one.value(chat)}", f"{one.help} ({one.takes})") for name, one in SETTINGS.items()])
        return
    name = name.replace("-", "_")
    if name not in SETTINGS:
        raise UsageError(f"Unknown setting {name}{did_you_mean(name, SETTINGS)}", "/set   # lists the settings")
    if value.strip():
        SETTINGS[name].change(chat, value.strip())
    chat.screen.say(f"{name} {SETTINGS[name].value(chat)}")


def _set_threshold(chat: Chat, name: str, text: str) -> None:
    if text:
        SETTINGS[name].change(chat, text)
    gate = chat.config.gate
    chat.screen.items([f"accept {gate.accept:.2f}", f"reject {gate.reject:.2f}", f"target {gate.target:.2f}"])


def _system(chat: Chat, text: str) -> None:
    if text:
        chat.record.change_system("" if text == "none" else text)
        chat.changed()
    now = chat.record.system
    chat.screen.say("confspec's own" if now is None else now or "none")


COMMANDS = (
    Command("/set", "[NAME VALUE]", "lists the settings, or changes one", _set, ("|".join(SETTINGS), "on|off|default")),
    Command(
        "/accept",
        "[0..1]",
        "accepts drafts at or above this confidence without asking the target",
        lambda c, t: _set_threshold(c, "accept", t),
    ),
    Command(
        "/reject",
        "[0..1]",
        "rejects drafts at or below this confidence without asking the target",
        lambda c, t: _set_threshold(c, "reject", t),
    ),
    Command("/system", "[TEXT|none]", "shows or changes the system prompt", _system),
)
