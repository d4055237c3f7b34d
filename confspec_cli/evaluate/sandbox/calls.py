"""Calls between the process of the tests and the one of the model's code: JSON lines in which only plain values cross.

An object of the code's own stays there; the tests hold a stand-in that is equal to nothing but itself. So an object
that claims to be equal to everything helps nobody. Standard library only, and nothing of ours.
"""

from __future__ import annotations

import builtins
import datetime
import json
import operator
import os
from collections import deque
from collections.abc import Callable, Iterator
from decimal import Decimal
from fractions import Fraction
from typing import Any

_OPERATIONS: dict[str, Callable[..., Any]] = {
    "call": lambda function, arguments, named: function(*arguments, **named),
    "getattr": getattr,
    "setattr": setattr,
    "len": len,
    "iter": iter,
    "next": next,
    "str": str,
    "repr": repr,
    "getitem": operator.getitem,
    "setitem": operator.setitem,
}
_PLAIN: dict[type, Callable[[Any], Any]] = {int: int.__int__, float: float.__float__, str: str.__str__}
_COLLECTIONS = {kind.__name__: kind for kind in (list, tuple, set, frozenset, deque)}
# What is a value though no literal: how it is taken apart, and put together again.
_VALUES: dict[type, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    complex: (lambda value: [value.real, value.imag], lambda parts: complex(*parts)),
    bytes: (bytes.hex, bytes.fromhex),
    bytearray: (bytearray.hex, bytearray.fromhex),
    range: (lambda value: [value.start, value.stop, value.step], lambda parts: range(*parts)),
    Decimal: (str, Decimal),
    Fraction: (str, Fraction),
    datetime.datetime: (datetime.datetime.isoformat, datetime.datetime.fromisoformat),
    datetime.date: (datetime.date.isoformat, datetime.date.fromisoformat),
    datetime.timedelta: (
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda parts: datetime.timedelta(*parts),
    ),
}
_BY_NAME = {kind.__name__: made for kind, (_, made) in _VALUES.items()}


class Peer:
    """One end of the pipes. The one with `names` has the code and does what it is asked; the other only calls back."""

    def __init__(self, pipes: list[int], names: dict[str, Any] | None = None) -> None:
        self._reader = os.fdopen(pipes[0], encoding="ascii")
        self._writer = os.fdopen(pipes[1], "w", encoding="ascii")
        self._names = names
        self._given: list[Any] = []  # what the other end has a stand-in for; it stays alive

    def ask(self, operation: str, *operands: Any) -> Any:
        """What the other end makes of it, or what it raises; lists and the like that it changed are changed here."""
        self._write({"ask": operation, "of": [self._packed(operand) for operand in operands]})
        for line in self._reader:
            answer = json.loads(line)
            if "ask" in answer:
                self._write(self._answer(answer))
            elif "raised" in answer:
                raise _raised(answer["raised"], answer["text"])
            else:
                _updated(list(operands), [self._unpacked(after) for after in answer["after"]])
                return self._unpacked(answer["value"])
        os._exit(1)  # the other end is gone, and no handler of the tests may take that for an error they expect

    def serve(self) -> None:
        """Answer until the other end is gone."""
        for line in self._reader:
            self._write(self._answer(json.loads(line)))

    def _answer(self, request: dict[str, Any]) -> dict[str, Any]:
        try:
            operands = [self._unpacked(operand) for operand in request["of"]]
            value = self._done(request["ask"], operands)
            return {"value": self._packed(value), "after": [self._packed(operand) for operand in operands]}
        except BaseException as error:  # noqa: BLE001 - the code may raise anything, and the tests may expect it
            return {"raised": [kind.__name__ for kind in type(error).__mro__], "text": str(error)}

    def _done(self, operation: str, operands: list[Any]) -> Any:
        if self._names is None and operation != "call":
            raise PermissionError(operation)
        if operation == "name" and self._names is not None:
            return self._names[operands[0]]
        if operation == "define":
            return exec(operands[0], self._names)
        return _OPERATIONS[operation](*operands)

    def _write(self, message: dict[str, Any]) -> None:
        self._writer.write(json.dumps(message) + "\n")
        self._writer.flush()

    def _packed(self, value: Any) -> Any:
        if value is None or isinstance(value, bool):
            return value
        for kind, plain in _PLAIN.items():
            if isinstance(value, kind):
                return plain(value)
        if isinstance(value, StandIn):
            return {"yours": object.__getattribute__(value, "_n")}
        return self._packed_value(value) or self._packed_object(value)

    def _packed_value(self, value: Any) -> dict[str, Any] | None:
        kind: type = type(value)
        if kind in _VALUES:
            return {kind.__name__: _VALUES[kind][0](value)}
        if isinstance(value, dict):
            return {"dict": [[self._packed(key), self._packed(item)] for key, item in dict.items(value)]}
        for name, collection in _COLLECTIONS.items():
            if isinstance(value, collection):
                return {name: [self._packed(item) for item in value]}
        return None

    def _packed_object(self, value: Any) -> dict[str, Any]:
        if isinstance(value, type) and value in vars(builtins).values():
            return {"type": value.__name__}
        if self._names is None and isinstance(value, Iterator):
            return {"iterator": [self._packed(item) for item in value]}
        if self._names is None and not callable(value):
            raise TypeError(f"a {type(value).__name__} cannot be handed to the code")
        self._given.append(value)
        return {"mine": len(self._given) - 1}

    def _unpacked(self, packed: Any) -> Any:
        if not isinstance(packed, dict):
            return packed
        ((kind, inside),) = packed.items()
        match kind:
            case "yours":
                value = self._given[inside]
            case "mine":
                value = StandIn(self, inside)
            case "dict":
                value = {self._unpacked(key): self._unpacked(item) for key, item in inside}
            case "type":
                value = getattr(builtins, inside)
                if not isinstance(value, type):  # eval, say
                    raise TypeError(inside)
            case _ if kind in _BY_NAME:
                value = _BY_NAME[kind](inside)
            case _:
                value = {**_COLLECTIONS, "iterator": iter}[kind]([self._unpacked(item) for item in inside])
        return value


class StandIn:
    """Stands for an object at the other end; equal to nothing but itself."""

    def __init__(self, peer: Peer, n: int) -> None:
        object.__setattr__(self, "_peer", peer)
        object.__setattr__(self, "_n", n)

    def __call__(self, *arguments: Any, **named: Any) -> Any:
        """Call what it stands for."""
        return self._peer.ask("call", self, list(arguments), named)

    def __getattr__(self, name: str) -> Any:
        return self._peer.ask("getattr", self, name)

    def __setattr__(self, name: str, value: Any) -> None:
        self._peer.ask("setattr", self, name, value)

    def __len__(self) -> Any:
        return self._peer.ask("len", self)

    def __iter__(self) -> Any:
        return self._peer.ask("iter", self)

    def __next__(self) -> Any:
        return self._peer.ask("next", self)

    def __str__(self) -> str:
        return str(self._peer.ask("str", self))

    def __repr__(self) -> str:
        return str(self._peer.ask("repr", self))

    def __getitem__(self, key: Any) -> Any:
        return self._peer.ask("getitem", self, key)

    def __setitem__(self, key: Any, value: Any) -> None:
        self._peer.ask("setitem", self, key, value)

    def __bool__(self) -> bool:
        return True


def _updated(old: Any, new: Any) -> Any:
    """The old object, changed to be as the new one where both are of a kind that changes, and the new one elsewhere."""
    if type(old) is not type(new):
        return new
    if isinstance(old, list):
        old[:] = [_updated(one, other) for one, other in zip(old, new, strict=False)] + new[len(old) :]
    elif isinstance(old, dict):
        changed = {key: _updated(old.get(key), item) for key, item in new.items()}
        old.clear()
        old.update(changed)
    elif isinstance(old, set):
        old.clear()
        old.update(new)
    elif isinstance(old, tuple):
        for one, other in zip(old, new, strict=False):
            _updated(one, other)
    else:
        return new
    return old


def _raised(kinds: list[str], text: str) -> BaseException:
    """The nearest built-in exception to one of those kinds."""
    for name in kinds:
        kind = getattr(builtins, name, None)
        if isinstance(kind, type) and issubclass(kind, BaseException):
            try:
                return kind(text)
            except TypeError:  # UnicodeDecodeError and the like want more than a text
                continue
    return RuntimeError(text)
