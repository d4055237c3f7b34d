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
        table = yaml.load(text) or yaml.load(f"schema: {registry.SCHEMA}\n")
    except (YAMLError, OSError) as error:
        raise ConfigError(f"{file} cannot be changed: {error}.") from error
    for key, value in changes:
        _set(table, key, value)
    stream = io.StringIO()
    yaml.dump(table, stream)
    _replace(file, stream.getvalue())


def _set(table: Any, key: Key, value: Any) -> None:
    *above, name = key
    for step in above:
        if table.get(step) is None:
            if value is None:
                return
            table[step] = {}
        table = table[step]
    if value is None:
        table.pop(name, None)
    else:
        table[name] = value


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
