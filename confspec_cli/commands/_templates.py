"""Templates on the command line: apply a saved one as defaults, or save the options given as a new one."""

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
    """The folder of the user's templates."""
    return config_folder(os.environ) / "templates"


def stand_behind(context: typer.Context, name: str | None) -> str | None:
    """Callback of `--template`: use its options as defaults of the command. Raises ConfigError for unknown options."""
    if name is None or context.resilient_parsing:
        return name
    options = dict(templates.load(folder(), name).options)
    known = _kept(context)
    for option in options:
        if option not in known:
            guess = did_you_mean(option.replace("_", "-"), [each.replace("_", "-") for each in known])
            raise ConfigError(f'Template {name} has an unknown option "--{option.replace("_", "-")}"{guess}')
    context.default_map = options
    return name


def saved(context: typer.Context, name: str, prompt: str | None) -> Path:
    """Save the given options, and those of the template in use, as a template."""
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
    """The options that a template may contain."""
    return [str(parameter.name) for parameter in context.command.params if parameter.name not in (*_NOT_KEPT, "help")]


def _plain(value: Any) -> Any:
    """An option's value as plain YAML; paths become absolute."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Path):
        return str(value.absolute())
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value
