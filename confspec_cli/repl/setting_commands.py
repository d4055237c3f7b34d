"""Commands about how it is played: /set and its table, /accept, /reject, /system."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import UsageError, did_you_mean
from confspec_cli.render.options import Steps
from confspec_cli.repl.chat import Chat
from confspec_cli.repl.command import Command


@dataclass(frozen=True, slots=True)
class Setting:
    """Something /set can change. `takes` says what, for people; `change` is given the text."""

    takes: str
    help: str
    value: Callable[[Chat], object]
    change: Callable[[Chat, str], None]


def _number(name: str, text: str, least: float, most: float | None) -> float:
    try:
        number = float(text)
    except ValueError:
        number = float("nan")
    if not (number >= least and (most is None or number <= most)):
        bounds = f"from {least:g} to {most:g}" if most is not None else f"of at least {least:g}"
        raise UsageError(f"{name} is a number {bounds}, not {text}.", f"/set {name} {least:g}")
    return number


def _bound(name: str) -> Setting:
    """One of the gate's two bounds; where they would cross, the other moves along."""

    def change(chat: Chat, text: str) -> None:
        if chat.options.mode is not Mode.CONFSPEC:
            raise UsageError(f"Mode {chat.options.mode.value} has no thresholds to turn.", "/mode confspec")
        value = None if text == "default" else _number(name, text, 0, 1)
        options = chat.options
        if name == "accept":
            crosses = value is not None and options.reject is not None and options.reject > value
            chat.change_options(replace(options, accept=value, reject=None if crosses else options.reject))
        else:
            crosses = value is not None and options.accept is not None and options.accept < value
            chat.change_options(replace(options, reject=value, accept=None if crosses else options.accept))

    what = "accepts a step unasked from this signal on" if name == "accept" else "rejects a step unasked up to this one"
    return Setting("0..1|default", what, lambda chat: getattr(chat.config.gate, name), change)


def _real(name: str, help_: str, most: float | None) -> Setting:
    """A number of the sampling."""

    def change(chat: Chat, text: str) -> None:
        changes: dict[str, Any] = {name: _number(name, text, 0, most)}
        chat.change_options(replace(chat.options, **changes))

    return Setting("0..1" if most else "NUMBER", help_, lambda chat: getattr(chat.config.sampling, name), change)


def _whole(name: str, help_: str, least: int, value: Callable[[Chat], object]) -> Setting:
    """A whole number, or the default."""

    def change(chat: Chat, text: str) -> None:
        if text == "default" and name != "top_k":
            number = None
        else:
            number = int(_number(name, text if text.isdecimal() else f"{text}!", least, None))
        changes: dict[str, Any] = {name: number}
        chat.change_options(replace(chat.options, **changes))

    return Setting("NUMBER|default", help_, value, change)


def _switch(help_: str, value: Callable[[Chat], bool], turn: Callable[[Chat, bool], None]) -> Setting:
    """Something that is on or off."""

    def change(chat: Chat, text: str) -> None:
        if text not in ("on", "off"):
            raise UsageError(f"This is on or off, not {text}.", "/set   # lists the settings")
        turn(chat, text == "on")

    return Setting("on|off", help_, lambda chat: "on" if value(chat) else "off", change)


def _show(name: str, help_: str) -> Setting:
    """Something that is shown of the steps."""

    def turn(chat: Chat, on: bool) -> None:
        changes: dict[str, Any] = {name: on}
        chat.show = replace(chat.show, **changes)

    return _switch(help_, lambda chat: bool(getattr(chat.show, name)), turn)


def _steps_shown(chat: Chat) -> object:
    return "none" if chat.hides_steps else "brief" if chat.show.brief else "full"


def _show_steps(chat: Chat, text: str) -> None:
    if text not in [steps.value for steps in Steps]:
        raise UsageError(f"Steps are shown full, brief or none, not {text}.", "/set steps brief")
    chat.hides_steps = text == "none"
    chat.show = replace(chat.show, brief=text == "brief")


def _choice(name: str, choices: list[str], help_: str, value: Callable[[Chat], object]) -> Setting:
    """One of several words, or the default."""
    meanings = {"on": True, "off": False, **{task.value: task for task in TaskName}}

    def change(chat: Chat, text: str) -> None:
        if text not in (*choices, "default"):
            raise UsageError(f"{name} is one of {', '.join(choices)}, not {text}.", f"/set {name} {choices[0]}")
        changes: dict[str, Any] = {name: None if text == "default" else meanings[text]}
        chat.change_options(replace(chat.options, **changes))

    return Setting("|".join([*choices, "default"]), help_, value, change)


def _budget(chat: Chat) -> object:
    return "none" if chat.options.think_budget is None else chat.options.think_budget


def _think(chat: Chat) -> object:
    return {None: "default", True: "on", False: "off"}[chat.options.think]


def _seed(chat: Chat) -> object:
    return "drawn" if chat.options.seed is None else chat.options.seed


def _speculate(chat: Chat, text: str) -> None:
    if text not in [speculation.value for speculation in Speculation]:
        raise UsageError(f"speculate is off, ngram, draft or auto, not {text}.", "/set speculate auto")
    chat.change_options(replace(chat.options, speculate=Speculation(text)))


def _vi(chat: Chat, on: bool) -> None:
    chat.desk.vi = on


SETTINGS = {
    "accept": _bound("accept"),
    "reject": _bound("reject"),
    "max_tokens": _whole("max_tokens", "longest reply, in tokens", 1, lambda chat: chat.config.max_tokens),
    "max_step_tokens": _whole("max_step_tokens", "longest step", 1, lambda chat: chat.config.max_step_tokens),
    "temperature": _real("temperature", "0 is greedy", None),
    "top_k": _whole("top_k", "chooses among the k likeliest tokens", 1, lambda chat: chat.config.sampling.top_k),
    "top_p": _real("top_p", "... that together hold this probability", 1),
    "min_p": _real("min_p", "... and this share of the likeliest one's", 1),
    "seed": _whole("seed", "makes a random choice repeatable", 0, _seed),
    "speculate": Setting(
        "|".join(speculation.value for speculation in Speculation),
        "who guesses tokens ahead",
        lambda chat: chat.config.sampling.speculation.value,
        _speculate,
    ),
    "task": _choice(
        "task", [name.value for name in TaskName], "the kind of work", lambda chat: chat.config.task.name.value
    ),
    "think": _choice("think", ["on", "off"], "thinks before answering", _think),
    "think_budget": _whole("think_budget", "tokens for thinking", 0, _budget),
    "steps": Setting("full|brief|none", "how much of the steps is shown", _steps_shown, _show_steps),
    "confidence": _show("confidence", "shows what each model made of a step"),
    "rejected": _show("rejected", "keeps rejected steps in view"),
    "stats": _show("stats", "shows the time by phase after each answer"),
    "vi": _switch("keys of vi, else those of emacs", lambda chat: chat.desk.vi, _vi),
}


def _set(chat: Chat, text: str) -> None:
    name, _, value = text.partition(" ")
    if not name:
        chat.screen.rows([(f"{name} {one.value(chat)}", f"{one.help} ({one.takes})") for name, one in SETTINGS.items()])
        return
    name = name.replace("-", "_")
    if name not in SETTINGS:
        raise UsageError(f"There is no setting {name}{did_you_mean(name, SETTINGS)}", "/set   # lists the settings")
    if value.strip():
        SETTINGS[name].change(chat, value.strip())
    chat.screen.say(f"{name} {SETTINGS[name].value(chat)}")


def _turn_bound(chat: Chat, name: str, text: str) -> None:
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
        "/accept", "[0..1]", "accepts a step unasked from this signal on", lambda c, t: _turn_bound(c, "accept", t)
    ),
    Command("/reject", "[0..1]", "rejects a step unasked up to this signal", lambda c, t: _turn_bound(c, "reject", t)),
    Command("/system", "[TEXT|none]", "changes the system prompt, or shows it", _system),
)
