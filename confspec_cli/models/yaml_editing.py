"""Changing the user's models.yaml: comments and order stay, and a file that could not be read again is never written.

Knows paths of keys and plain values; refuses to know what they mean. The only module that imports ruamel.yaml.
"""

from __future__ import annotations

import io
import os
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from confspec_cli.errors import ConfigError, StorageError
from confspec_cli.models import registry

Key = Sequence[str]
"""The way to a value: the names of the tables above it, and its own."""


def put(file: Path, *changes: tuple[Key, Any]) -> None:
    """Set each value at its key, making the tables above it; None takes the key away, if it is there.

    Raises ConfigError where the file, as it is or would be, is not a models.yaml; StorageError where it cannot be kept.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    registry.load(file)
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10**6
    try:
        text = file.read_text(encoding="utf-8") if file.exists() else ""
        if yaml.load(text) is None:
            text = f"{text.rstrip()}\nschema: {registry.SCHEMA}\n".lstrip()
        for key, value in changes:
            table = yaml.load(text)
            text = _with(yaml, table, key, value) if value is not None else _without(yaml, table, key, text)
    except (YAMLError, OSError) as error:
        raise ConfigError(f"{file} cannot be changed: {error}.") from error
    _replace(file, text)


def _with(yaml: Any, whole: Any, key: Key, value: Any) -> str:
    """The text with a value at a key."""
    table = whole
    for step in key[:-1]:
        if table.get(step) is None:
            table[step] = {}
        table = table[step]
    table[key[-1]] = value
    return _dumped(yaml, whole)


def _without(yaml: Any, whole: Any, key: Key, text: str) -> str:
    """The text without a key, and without the tables that are empty then but for the topmost.

    Its lines are cut out: ruamel.yaml takes the comment above the next key for a part of this one.
    """
    tables = [whole]
    for step in key[:-1]:
        if not tables[-1].get(step):
            return text
        tables.append(tables[-1][step])
    if key[-1] not in tables[-1]:
        return text
    while len(tables) > 2 and len(tables[-1]) == 1:
        tables.pop()
    table, name = tables[-1], key[len(tables) - 1]
    if any(one.fa.flow_style() for one in tables):
        del table[name]
        return _dumped(yaml, whole)
    first, column = table.lc.key(name)
    lines = text.splitlines(keepends=True)
    last = first
    for number, line in enumerate(lines[first + 1 :], first + 1):
        words = line.lstrip()
        if words and not words.startswith("#"):
            if len(line) - len(words) <= column and not words.startswith("- "):
                break
            last = number
    return "".join(lines[:first] + lines[last + 1 :])


def _dumped(yaml: Any, whole: Any) -> str:
    stream = io.StringIO()
    yaml.dump(whole, stream)
    return stream.getvalue()


def _replace(file: Path, text: str) -> None:
    """Put the text in place of the file, whole, once it has been read as a models.yaml; its mode stays."""
    temporary = file.with_name(f".{file.name}.{uuid.uuid4().hex[:8]}")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        real = file.resolve()  # a link to a file elsewhere stays a link
        with temporary.open("x", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        if real.exists():
            temporary.chmod(real.stat().st_mode & 0o7777)
        try:
            registry.load(temporary)
        except ConfigError as error:
            raise ConfigError(str(error).replace(str(temporary), str(file)), error.hint) from error
        temporary.replace(real)
    except OSError as error:
        raise StorageError(f"{file} cannot be written: {error.strerror or error}.") from error
    finally:
        temporary.unlink(missing_ok=True)
