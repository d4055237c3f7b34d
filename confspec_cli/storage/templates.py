"""Templates: what a person types again and again, saved under a name. One YAML file each, in the configuration folder.

A template holds words to put the question into, and options by their names. Knows files; refuses to know what the
options mean.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from confspec_cli.errors import ConfigError, StorageError, UsageError, closest, did_you_mean
from confspec_cli.files import make_private_folder, write_atomically
from confspec_cli.yaml_reading import dump, parse, text_of
from confspec_cli.yaml_tables import YamlTable, check_keys

_OWN_KEYS = ("system", "pair", "task")  # options with a key of their own; the rest stand under `flags`


@dataclass(frozen=True, slots=True)
class Template:
    """`prompt` holds `$input` where the question goes, or is put before it. `options` are values by option name."""

    prompt: str | None
    options: Mapping[str, Any]


def names(folder: Path) -> list[str]:
    """The templates there are."""
    return sorted(file.stem for file in folder.glob("*.yaml")) if folder.is_dir() else []


def load(folder: Path, name: str) -> Template:
    """The template of that name; raises UsageError where there is none, ConfigError where it is wrong."""
    file = file_of(folder, name)
    text = text_of(file)
    if text is None:
        close = closest(name, names(folder))
        hint = f'confspec ask -t {close} "..."' if close else f"confspec ask --save-template {name} 'In verse: $input'"
        guess = did_you_mean(name, names(folder))
        raise UsageError(f'No template named "{name}" in {folder}{guess}', hint)
    return read(text, file)


def read(text: str, file: Path) -> Template:
    """The template in the text of a file. Raises ConfigError, with the line, where it is wrong."""
    table = parse(text, file)
    if not isinstance(table, YamlTable):
        raise ConfigError(f"{file} must be a table of the keys prompt, system, pair, task and flags.")
    check_keys(table, ("prompt", *_OWN_KEYS, "flags"))
    for key in ("prompt", *_OWN_KEYS):
        if not isinstance(table.values.get(key, ""), str):
            raise ConfigError(f"{table.at(key)}: {key} must be text, in quotes where it looks like something else.")
    flags = {key.replace("-", "_"): value for key, value in table.table("flags").values.items()}
    own = {key: table.values[key] for key in _OWN_KEYS if key in table.values}
    return Template(table.values.get("prompt"), {**flags, **own})


def save(folder: Path, name: str, template: Template) -> Path:
    """Write a new template, whole or not at all; raises UsageError where the name is taken, StorageError."""
    file = file_of(folder, name)
    if file.exists():
        raise UsageError(f'A template named "{name}" already exists.', f"confspec templates rm {name}")
    own = {key: template.options[key] for key in _OWN_KEYS if key in template.options}
    flags = {key.replace("_", "-"): value for key, value in template.options.items() if key not in _OWN_KEYS}
    values = {**({"prompt": template.prompt} if template.prompt else {}), **own, **({"flags": flags} if flags else {})}
    try:
        make_private_folder(folder)
    except OSError as problem:
        raise StorageError(
            f"Cannot create {folder}: {problem.strerror}.", "export CONFSPEC_CONFIG_DIR=FOLDER"
        ) from problem
    write_atomically(file, dump(values), mode=0o600)
    return file


def file_of(folder: Path, name: str) -> Path:
    """Where a template of that name is kept. Raises UsageError for what cannot be a name."""
    if not re.fullmatch(r"\w[\w.-]*", name):
        raise UsageError(
            f'"{name}" cannot be the name of a template: letters, digits, _, - and . can.', "--save-template short-name"
        )
    return folder / f"{name}.yaml"
