"""Option groups as parameters of a Typer command: a dataclass, and the options of its fields."""

from __future__ import annotations

import inspect
import typing
from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from functools import wraps
from typing import Annotated, Any


def grouped(command: Callable[..., None]) -> Callable[..., None]:
    """Let a Typer command take groups of options as one parameter each.

    A group is a dataclass whose fields are annotated with options, or `Annotated[a plain dataclass, options by field]`;
    a field without an option keeps its default.
    """
    hints = typing.get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    groups: dict[str, tuple[Any, list[str]]] = {}
    parameters = []
    for name, parameter in signature.parameters.items():
        group, options = _group(hints[name])
        if group is None:
            parameters.append(parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY))
            continue
        flat_ones = list(_parameters(group, options))
        groups[name] = group, [one.name for one in flat_ones]
        parameters += flat_ones

    @wraps(command)
    def flat(**given: Any) -> None:
        whole = {name: group(**{each: given.pop(each) for each in names}) for name, (group, names) in groups.items()}
        command(**given, **whole)

    flat.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]  # functools has no type for it
    flat.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return flat


def _group(hint: Any) -> tuple[Any, Mapping[str, Any]]:
    """The dataclass of a group and its options by field; None for other parameters."""
    if is_dataclass(hint):
        return hint, {}
    kind, *more = typing.get_args(hint) if typing.get_origin(hint) is Annotated else (None, None)
    return (kind, more[0]) if is_dataclass(kind) and isinstance(more[0], Mapping) else (None, {})


def _parameters(group: Any, options: Mapping[str, Any]) -> typing.Iterator[inspect.Parameter]:
    kinds = typing.get_type_hints(group, include_extras=True)
    for field in fields(group):
        kind = Annotated[kinds[field.name], options[field.name]] if field.name in options else kinds[field.name]
        if typing.get_origin(kind) is Annotated:
            yield inspect.Parameter(field.name, inspect.Parameter.KEYWORD_ONLY, default=field.default, annotation=kind)
