"""Tables that strangers write, read into frozen dataclasses: every key known and every value of its type.

Knows in which file and line each key stands; refuses to know YAML, and what the tables mean. The fields of a
dataclass are the keys of its table, required where they have no default. An `int` is above 0, a `float` from 0 to 1, a
`Real` any number. Of a union of dataclasses the one is meant whose first field is among the keys. A ValueError of a
dataclass gets its place.
"""

from __future__ import annotations

import dataclasses
import math
import types
import typing
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Any, TypeVar

from confspec_cli.core.real import Real
from confspec_cli.errors import ConfigError, did_you_mean

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class YamlTable:
    """Values by key, and for people the place of the table and of each key: "models.yaml, line 3"."""

    place: str
    values: Mapping[str, Any]
    places: Mapping[str, str]

    def at(self, key: str) -> str:
        """Where a key stands; where the table does, if the key is missing."""
        return self.places.get(key, self.place)

    def table(self, key: str) -> YamlTable:
        """The table under a key; an empty one if nothing is there."""
        value = self.values.get(key)
        if value is None:
            return YamlTable(self.at(key), {}, {})
        if not isinstance(value, YamlTable):
            raise ConfigError(f"{self.at(key)}: {key} must be a table of names.")
        return value

    def mapped(self, changes: Mapping[str, Callable[[YamlTable], YamlTable]]) -> YamlTable:
        """The same with the tables under some keys changed; what is no table there is left for others to refuse."""
        values = {
            key: changes[key](value) if key in changes and isinstance(value, YamlTable) else value
            for key, value in self.values.items()
        }
        return YamlTable(self.place, values, self.places)


def overlay(base: YamlTable, over: YamlTable, depth: int) -> YamlTable:
    """`base` with the keys of `over` added or put in place of its own; tables in both merge, `depth` levels down."""
    values = dict(base.values)
    for key, new in over.values.items():
        old = values.get(key)
        if depth > 0 and isinstance(old, YamlTable) and isinstance(new, YamlTable):
            values[key] = overlay(old, new, depth - 1)
        else:
            values[key] = new
    return YamlTable(over.place, values, {**base.places, **over.places})


def check_keys(table: YamlTable, known: Iterable[str]) -> None:
    """Raises ConfigError for a key that is not known."""
    names = list(known)
    for key in table.values:
        if key not in names:
            raise ConfigError(f'{table.at(key)}: there is no key "{key}" here' + did_you_mean(key, names))


def read(kind: type[T], table: YamlTable, name: str | None = None) -> T:
    """The dataclass `kind` a table describes; `name` is that field where it stands outside of the table."""
    hints = typing.get_type_hints(kind)
    fields = {field.name: field for field in dataclasses.fields(typing.cast("Any", kind))}
    if name is not None:
        del fields["name"]
    check_keys(table, fields)
    given: dict[str, Any] = {} if name is None else {"name": name}
    for key, field in fields.items():
        if key in table.values:
            given[key] = _value(hints[key], table.values[key], f"{table.at(key)}: {key}")
        elif field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            whose = f" of {name}" if name else ""
            raise ConfigError(f'{table.place}: the key "{key}"{whose} is missing.')
    try:
        return kind(**given)
    except ValueError as error:
        raise ConfigError(f"{table.place}: {error}.") from error


def _value(hint: Any, value: Any, where: str) -> Any:
    """A value as its type hint wants it; `where` begins the sentence of an error."""
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(arguments, value, where)
    if origin is tuple:
        if not isinstance(value, list) or not value:
            raise ConfigError(f"{where} must be a list with something in it.")
        return tuple(_value(arguments[0], item, where) for item in value)
    if dataclasses.is_dataclass(hint):
        if not isinstance(value, YamlTable):
            raise ConfigError(f"{where} must be a table of keys and values.")
        return read(typing.cast("type", hint), value)
    return _scalar(hint, value, where)


def _one_of(kinds: tuple[Any, ...], value: Any, where: str) -> Any:
    if type(None) in kinds:
        return None if value is None else _value(kinds[0], value, where)
    first_keys = {dataclasses.fields(kind)[0].name: kind for kind in kinds}
    named = [kind for key, kind in first_keys.items() if isinstance(value, YamlTable) and key in value.values]
    if len(named) != 1:
        raise ConfigError(f"{where}: each must have exactly one of the keys {', '.join(first_keys)}.")
    return read(named[0], value)


def _scalar(hint: Any, value: Any, where: str) -> Any:
    if isinstance(hint, type) and issubclass(hint, Enum):
        known = [member.value for member in hint]
        if value not in known:
            raise ConfigError(f"{where} must be one of {', '.join(known)}" + did_you_mean(str(value), known))
        return hint(value)
    if hint is str or hint is Path:
        if not isinstance(value, str):
            raise ConfigError(f"{where} must be text, in quotes where it looks like something else.")
        return hint(value)
    if hint is bool:
        if not isinstance(value, bool):
            raise ConfigError(f"{where} must be true or false.")
        return value
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if hint is int:
        if not isinstance(value, int) or not is_number or value < 1:
            raise ConfigError(f"{where} must be a whole number above 0.")
        return value
    if hint is Real:
        if not is_number or not math.isfinite(value):
            raise ConfigError(f"{where} must be a number.")
        return float(value)
    if not is_number or not 0 <= value <= 1:
        raise ConfigError(f"{where} must be a number from 0 to 1.")
    return float(value)
