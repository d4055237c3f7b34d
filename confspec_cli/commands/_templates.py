"""Templates on the command line: one in use stands behind flags and environment, a new one keeps what was typed."""

from __future__ import annotations

import os
from enum import Enum
from pathlib import Path
from typing import Any

import typer

from confspec_cli.errors import ConfigError, did_you_mean
from confspec_cli.runtime.folders import config_folder
from confspec_cli.storage import templates
from confspec_cli.storage.templates import Template

_NOT_KEPT = ("prompt", "template", "save_template", "yes", "resume", "session")


def folder() -> Path:
    """Where this user's templates are."""
    return config_folder(os.environ) / "templates"


def stand_behind(context: typer.Context, name: str | None) -> str | None:
    """The callback of `--template`: its options become the command's defaults. Raises ConfigError for unknown ones."""
    if name is None or context.resilient_parsing:
        return name
    options = dict(templates.load(folder(), name).options)
    known = _kept(context)
    for option in options:
        if option not in known:
            guess = did_you_mean(option.replace("_", "-"), [each.replace("_", "-") for each in known])
            raise ConfigError(f'Template {name}: there is no option "--{option.replace("_", "-")}"{guess}')
    context.default_map = options
    return name


def saved(context: typer.Context, name: str, prompt: str | None) -> Path:
    """Save what was typed, and what the template in use holds, as a template; nothing is asked."""
    earlier = context.params.get("template")
    options = {
        option: _plain(context.params[option])
        for option in _kept(context)
        if str(getattr(context.get_parameter_source(option), "name", "")) in ("COMMANDLINE", "DEFAULT_MAP")
    }
    if prompt is None and earlier is not None:
        prompt = templates.load(folder(), earlier).prompt
    return templates.save(folder(), name, Template(prompt, options))


def _kept(context: typer.Context) -> list[str]:
    """The options of a command that a template may hold."""
    return [str(parameter.name) for parameter in context.command.params if parameter.name not in (*_NOT_KEPT, "help")]


def _plain(value: Any) -> Any:
    """An option's value as YAML has it; a file is meant from anywhere."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
