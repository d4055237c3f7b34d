"""Changing the user's models.yaml: comments and order stay, and a file that could not be read again is never written.

Knows paths of keys and plain values; refuses to know what they mean. The only module that imports ruamel.yaml.
"""

from __future__ import annotations

import fcntl
import io
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confspec_cli.errors import ConfigError, StorageError
from confspec_cli.files import make_private_folder, write_atomically
from confspec_cli.models import models_yaml, registry
from confspec_cli.models.registry import Registry
from confspec_cli.yaml_reading import text_of

Key = Sequence[str]
"""The way to a value: the names of the tables above it, and its own."""


def put(file: Path, *changes: tuple[Key, Any], check: Callable[[Registry], None] = lambda _: None) -> None:
    """Set each value at its key, making the tables above it; None takes the key away, if it is there.

    One process at a time changes the file; `check` may object to what it holds by then. Raises ConfigError where the
    file, as it is or would be, is not a models.yaml; StorageError where it cannot be kept.
    """
    from ruamel.yaml import YAML  # noqa: PLC0415 - slow to import
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 10**6
    with _locked(file):
        text = text_of(file) or ""
        check(registry.read_registry(text, file))
        try:
            text = _converted(text, yaml.load(text))
            for key, value in changes:
                text = _without(yaml, text, key) if value is None else _with(yaml, text, key, value)
        except YAMLError as error:
            raise ConfigError(f"Cannot edit {file}: {error}.") from error
        registry.read_registry(text, file)
        write_atomically(file, text)


@contextmanager
def _locked(file: Path) -> Iterator[None]:
    """The right to change a file, held until the end; its folder is made where it is not there."""
    real = Path(os.path.realpath(file))
    try:
        make_private_folder(real.parent)
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_NONBLOCK
        lock = os.open(real.with_name(f".{real.name}.lock"), flags, 0o600)
    except OSError as error:
        raise StorageError(f"Cannot write {file}: {error.strerror or error}.") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _converted(text: str, whole: Any) -> str:
    """The text in the present schema, under the names it gives the keys of gates; nothing else is touched."""
    if whole is None:
        return f"{text.rstrip()}\nschema: {models_yaml.SCHEMA}\n".lstrip()
    if not models_yaml.is_old(whole.get("schema")):
        return text
    lines = text.splitlines(keepends=True)
    found = {
        tuple(place[:2]): (str(name), models_yaml.OLD_KEYS[name])
        for gate in _gates(whole)
        for name, place in gate.lc.data.items()
        if name in models_yaml.OLD_KEYS
    }
    if "schema" in whole:
        found[tuple(whole.lc.data["schema"][2:])] = ("1", str(models_yaml.SCHEMA))
    for (row, column), (old, new) in sorted(found.items(), reverse=True):  # from the end, so that columns hold
        line = lines[row]
        lines[row] = line[:column] + re.sub(rf"^(['\"]?){old}\1", new, line[column:])
    return "".join(lines)


def _gates(whole: Any) -> Iterator[Any]:
    """The tables of all gates of all pairs."""
    for pair in (whole.get("pairs") or {}).values():
        for gate in ((pair or {}).get("gate"), *((pair or {}).get("gates") or {}).values()):
            if gate:
                yield gate


def _named(table: Any, name: str, text: str) -> Any:
    """A key of a table as ruamel.yaml has it, which takes `true` and `12` for no text; the name where it has none."""
    lines = text.splitlines()
    for key, place in (getattr(getattr(table, "lc", None), "data", None) or {}).items():
        if not isinstance(key, str) and re.match(rf"{re.escape(name)}\s*:", lines[place[0]][place[1] :]):
            return key
    return name


def _with(yaml: Any, text: str, key: Key, value: Any) -> str:
    """The text with a value at a key."""
    whole = yaml.load(text)
    table = whole
    for step in key[:-1]:
        name = _named(table, step, text)
        if table.get(name) is None:
            table[name] = {}
        table = table[name]
    table[_named(table, key[-1], text)] = value
    return _dumped(yaml, whole)


def _without(yaml: Any, text: str, key: Key) -> str:
    """The text without a key, and without the tables that are empty then but for the topmost.

    Its lines are cut out: ruamel.yaml takes the comment above the next key for a part of this one.
    """
    whole = yaml.load(text)
    tables = [whole]
    for step in key[:-1]:
        inner = tables[-1].get(_named(tables[-1], step, text))
        if not inner:
            return text
        tables.append(inner)
    if _named(tables[-1], key[-1], text) not in tables[-1]:
        return text
    while len(tables) > 2 and len(tables[-1]) == 1:
        tables.pop()
    table = tables[-1]
    name = _named(table, key[len(tables) - 1], text)
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
