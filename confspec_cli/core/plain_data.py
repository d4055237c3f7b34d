"""Frozen dataclasses as plain data for JSON, and back."""

from __future__ import annotations

import dataclasses
import functools
import math
import types
import typing
from enum import Enum
from typing import Any


class LaterValueError(ValueError):
    """A reason, a cause or the like that this version does not know."""


def plain(value: Any) -> Any:
    """The value of a frozen dataclass, or a part of one, as JSON can hold it."""
    if isinstance(value, Enum):
        return value.value
    if dataclasses.is_dataclass(value):
        return {field.name: plain(getattr(value, field.name)) for field in dataclasses.fields(value)}
    if isinstance(value, tuple | list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    return value


def _revive(kind: Any, value: Any) -> Any:
    """Rebuild a value of the annotated type `kind` from plain JSON; TypeError or ValueError where it does not fit."""
    kind = getattr(kind, "__supertype__", kind)
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin in (typing.Union, types.UnionType):
        return _revive_optional(arguments[0], value) if arguments[1:] == (types.NoneType,) else value
    if origin is tuple:
        return tuple(_revive(arguments[0], item) for item in value)
    if origin is dict:
        return {key: _revive(arguments[1], item) for key, item in value.items()}
    if dataclasses.is_dataclass(kind):
        return revived(kind, value)
    return _revive_scalar(kind, value)


def _revive_optional(kind: Any, value: Any) -> Any:
    try:
        return None if value is None else _revive(kind, value)
    except LaterValueError:  # all else that the event says stands
        return None


def revived(kind: Any, record: Any) -> Any:
    """The dataclass `kind` that a dictionary stands for; unknown keys are dropped.

    Raises KeyError, TypeError or ValueError where it does not fit, LaterValueError for a word that is not known.
    """
    return kind(**{name: _revive(hint, record[name]) for name, hint in _fields(kind).items() if name in record})


@functools.cache
def _fields(kind: Any) -> dict[str, Any]:
    """The type of each field of a dataclass; finding out is slow, and long sessions are read at once."""
    return typing.get_type_hints(kind)


def _revive_scalar(kind: Any, value: Any) -> Any:
    if issubclass(kind, Enum):
        if isinstance(value, str) and value not in [member.value for member in kind]:
            raise LaterValueError
        return kind(value)
    if kind is float and type(value) is int:
        value = float(value)
    if type(value) is not kind:
        raise TypeError(f"{value!r} is not a {kind.__name__}")
    if kind is float and (math.isnan(value) or value == math.inf):  # the logarithm of 0 is a value, -inf
        raise TypeError(f"{value} is not a number that can be counted with")
    return value
