"""Going on with a conversation: the models and settings it had last, where nobody asks for others now."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from confspec_cli.core.conversation import Turn
from confspec_cli.core.events import RunStarted
from confspec_cli.core.frontier import ChoiceReason
from confspec_cli.core.messages import INT32_MAX, Speculation
from confspec_cli.core.run_config import Mode, authors
from confspec_cli.core.tasks import TaskName
from confspec_cli.models.registry import Registry
from confspec_cli.models.remote_models import is_address
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.gate_choice import gate_names
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair

_THRESHOLDS = ("accept", "reject", "min_token_prob")
_OF_ANY_MODELS = ("max_tokens", "max_step_tokens", "temperature", "top_k", "top_p", "min_p")
_USUAL = RunOptions()


def as_before(registry: Registry, options: RunOptions, turns: Sequence[Turn]) -> RunOptions:
    """The options a conversation was had with last, under those that are given now.

    Its models are kept where none are named and they are known by these names still; a seed is drawn anew.
    """
    if not turns:
        return options
    started = turns[-1].started
    has_others = bool(options.pair or options.draft or options.target)
    if not has_others:
        options = _models(registry, options, started)
    if options.mode is _USUAL.mode and started.mode in [mode.value for mode in Mode]:
        options = replace(options, mode=Mode(started.mode))
    return _settings(registry, options, started, has_others)


def _models(registry: Registry, options: RunOptions, started: RunStarted) -> RunOptions:
    names = {author: card.name for author, card in started.models.items()}
    default = registry.pairs[registry.default_pair]
    for name, pair in {registry.default_pair: default, **registry.pairs}.items():
        if {"draft": pair.draft, "target": pair.target}.items() >= names.items():
            return replace(options, pair=name)
    all_known = {*registry.models, *registry.remotes}
    known = {author: name for author, name in names.items() if name in all_known or is_address(name)}
    return replace(options, draft=known.get("draft"), target=known.get("target"))


def _settings(registry: Registry, options: RunOptions, started: RunStarted, has_others: bool) -> RunOptions:
    """What was set then, told by its being other than usual. Other models bring a gate and thinking of their own."""
    before: dict[str, Any] = started.parameters
    if options.task is None and before.get("task") in [task.value for task in TaskName]:
        options = replace(options, task=TaskName(before["task"]))
    pair = resolve_pair(registry, options).pair
    config = build_config(pair, options)
    usual, names = config.parameters(), list(_OF_ANY_MODELS)
    if not has_others:
        names.append("think_budget")
    if not has_others and options.mode is Mode.CONFSPEC:
        if "gate" not in before:
            names += _THRESHOLDS
        elif before.get("gate_reason") == ChoiceReason.ASKED_FOR.value and before["gate"] in gate_names(pair, config):
            options = replace(options, gate=options.gate or before["gate"])
    changes: dict[str, Any] = {
        name: before[name]
        for name in names
        if name in before and before[name] != usual[name] and getattr(options, name) == getattr(_USUAL, name)
        if _could_be(before[name], usual[name])
    }
    if options.speculate is _USUAL.speculate and before.get("speculation") in [one.value for one in Speculation]:
        changes["speculate"] = Speculation(before["speculation"])
    if before.get("adaptive") is False:
        changes["always_draft"] = True
    decider = started.models.get(authors(options.mode)[-1].value)
    if options.think is None and not has_others and decider and decider.thinks and before.get("think") is False:
        changes["think"] = False
    return replace(options, **changes)


def _could_be(value: object, usual: object) -> bool:
    """Whether a value in a file could be that of a setting: anybody may have written the file."""
    return isinstance(value, int | float) and type(value) in (type(usual), int) and 0 <= value <= INT32_MAX
