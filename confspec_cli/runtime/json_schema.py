"""JSON schemas: whether one is sound, and whether an answer fits it. The `jsonschema` library decides both."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jsonschema import ValidationError
    from jsonschema.protocols import Validator

LONGEST = 100_000
"""Characters of a schema: longer ones fit no context, and take minutes to become a grammar."""
_VALUES = ("enum", "const", "default", "examples")  # keywords that hold values, in which nothing is a schema
_MOST_WORDS = 200


def load(text: str) -> Any:
    """The value that a JSON text holds. Raises ValueError for what is not JSON, or more than Python can hold."""
    try:
        value = json.loads(text, parse_float=_finite, parse_constant=_finite)
        json.dumps(value, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    except UnicodeEncodeError:
        raise ValueError("an escape in it stands for half a character") from None
    return value


def schema_error(schema: Any) -> str | None:
    """What is wrong with a schema, and where, as the end of a sentence; None for a sound one."""
    from jsonschema import SchemaError  # noqa: PLC0415 - takes a tenth of a second that only schemas need

    try:
        _validator(schema).check_schema(schema)
    except SchemaError as problem:
        return f"is not a valid JSON schema: {_said(problem)}"
    except RecursionError:
        return "is nested too deeply"
    if isinstance(schema, Mapping) and _is_other_json(schema):
        return f'is not a JSON schema: it says "{next(iter(schema))}", but neither type nor properties nor the like'
    return next(_foreign(schema, "#"), None)


def validation_error(text: str, schema: Any) -> str | None:
    """Why this text is not JSON that fits the schema, as the end of a sentence; None where it is."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415
    from referencing.exceptions import Unresolvable  # noqa: PLC0415

    try:
        value = load(text)
        problem = best_match(_validator(schema).iter_errors(value))
    except ValueError as wrong:
        return f"is not JSON: {wrong}"
    except RecursionError:
        return "is nested too deeply to be checked"
    except Unresolvable as wrong:
        return f"cannot be checked: the schema refers to {wrong}"
    return f"does not fit the schema: {_said(problem)}" if problem else None


def mismatch(value: Any, schema: Any) -> tuple[str, str] | None:
    """Where in this value, and why, it does not fit a sound schema; None where it does."""
    from jsonschema.exceptions import best_match  # noqa: PLC0415

    problem = best_match(_validator(schema).iter_errors(value))
    return (".".join(map(str, problem.absolute_path)), _shortened(problem.message)) if problem else None


def _validator(schema: Any) -> Validator:
    """The validator of the draft that the schema names. It never fetches anything."""
    from jsonschema import Draft202012Validator  # noqa: PLC0415
    from jsonschema.validators import validator_for  # noqa: PLC0415
    from referencing import Registry  # noqa: PLC0415

    validator: Validator = validator_for(schema, default=Draft202012Validator)(schema, registry=Registry())
    return validator


def _is_other_json(schema: Mapping[str, Any]) -> bool:
    """Whether an object asks for nothing that a validator could check, and holds what no schema does."""
    annotations = {"$schema", "$id", "$comment", "$defs", "definitions", "title", "description", "default", "examples"}
    keywords = set(_validator(schema).VALIDATORS)
    return not schema.keys() & {*keywords, "$schema"} and bool(schema.keys() - annotations)


def _said(problem: ValidationError) -> str:
    words = _shortened(problem.message)
    place = "".join(f"/{part}" for part in problem.absolute_path)
    return f"at #{place}, {words}" if place else words


def _shortened(words: str) -> str:
    return words if len(words) <= _MOST_WORDS else f"{words[: _MOST_WORDS // 2]} ... {words[-_MOST_WORDS // 2 :]}"


def _finite(text: str) -> float:
    number = float(text)
    if not math.isfinite(number):
        raise ValueError(f"{text[:40]} is no number that JSON can hold")
    return number


def _foreign(schema: Any, where: str) -> Iterator[str]:
    """References, at any depth, to other documents: they would only fail once an answer is there."""
    if isinstance(schema, list):
        for index, item in enumerate(schema):
            yield from _foreign(item, f"{where}/{index}")
    if not isinstance(schema, Mapping):
        return
    reference = schema.get("$ref")
    if isinstance(reference, str) and not reference.startswith("#"):
        yield f'refers at {where} to "{reference}", which is not in it'
    for key, part in schema.items():
        if key not in _VALUES:
            yield from _foreign(part, f"{where}/{key}")
