"""Whether a JSON value fits a JSON schema: the part of the standard that people write by hand.

A grammar holds an answer to the shape of a schema, not to all of it: bounds and repetitions are checked here, and that
the answer is whole. Knows values; refuses to know files and models. Source: JSON Schema, draft 2020-12.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]

_TYPES: dict[str, Callable[[Any], bool]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "integer": lambda value: _TYPES["number"](value) and value == int(value),
}
_BOUNDS: dict[str, tuple[str, Callable[[Any, Any], bool], str]] = {
    "minimum": ("number", lambda value, bound: value >= bound, "is below {bound}"),
    "maximum": ("number", lambda value, bound: value <= bound, "is above {bound}"),
    "exclusiveMinimum": ("number", lambda value, bound: value > bound, "is not above {bound}"),
    "exclusiveMaximum": ("number", lambda value, bound: value < bound, "is not below {bound}"),
    "minLength": ("string", lambda value, bound: len(value) >= bound, "is shorter than {bound} characters"),
    "maxLength": ("string", lambda value, bound: len(value) <= bound, "is longer than {bound} characters"),
    "pattern": ("string", lambda value, bound: re.search(bound, value) is not None, "does not match {bound}"),
    "minItems": ("array", lambda value, bound: len(value) >= bound, "has fewer than {bound} items"),
    "maxItems": ("array", lambda value, bound: len(value) <= bound, "has more than {bound} items"),
}
_SCHEMAS = ("additionalProperties", "items")  # keywords that hold a schema, then lists of them, then tables of them
_LISTS = ("anyOf", "oneOf", "prefixItems")
_TABLES = ("properties", "$defs", "definitions")
_NOTES = ("$schema", "$id", "$comment", "title", "description", "default", "examples", "deprecated", "format")
_KNOWN = {"type", "enum", "const", "required", "$ref", *_BOUNDS, *_SCHEMAS, *_LISTS, *_TABLES, *_NOTES}


def unknown_keyword(schema: Any) -> str | None:
    """A keyword anywhere in the schema that would not be held to, or None."""
    if not isinstance(schema, dict):
        return None
    below = [schema.get(keyword) for keyword in _SCHEMAS]
    below += [item for keyword in _LISTS for item in schema.get(keyword, ())]
    below += [item for keyword in _TABLES for item in schema.get(keyword, {}).values()]
    return next((key for key in schema if key not in _KNOWN), None) or next(
        filter(None, map(unknown_keyword, below)), None
    )


def validation_error(text: str, schema: Schema) -> str | None:
    """Why this text is not JSON that fits the schema, as the end of a sentence; None where it is."""
    try:
        value = json.loads(text)
    except ValueError as problem:
        return f"is not JSON: {problem}"
    return next(_problems(value, schema, schema, "it"), None)


def _problems(value: Any, schema: Any, root: Schema, place: str) -> Iterator[str]:
    """What is wrong with a value, each as the end of a sentence."""
    if not isinstance(schema, dict):
        return
    if "$ref" in schema:
        yield from _problems(value, _referred(str(schema["$ref"]), root), root, place)
    kinds = schema.get("type", [])
    kinds = [kinds] if isinstance(kinds, str) else kinds
    if kinds and not any(_TYPES[kind](value) for kind in kinds):
        yield f"does not fit: {place} is not of type {' or '.join(kinds)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"does not fit: {place} is none of {json.dumps(schema['enum'])}"
    if "const" in schema and value != schema["const"]:
        yield f"does not fit: {place} is not {json.dumps(schema['const'])}"
    for keyword, (kind, holds, words) in _BOUNDS.items():
        if keyword in schema and _TYPES[kind](value) and not holds(value, schema[keyword]):
            yield f"does not fit: {place} {words.format(bound=schema[keyword])}"
    yield from _in_choices(value, schema, root, place)
    if isinstance(value, dict):
        yield from _in_object(value, schema, root, place)
    if isinstance(value, list):
        first = schema.get("prefixItems", [])
        for index, item in enumerate(value):
            its_schema = first[index] if index < len(first) else schema.get("items")
            yield from _problems(item, its_schema, root, f"{place}[{index}]")


def _in_choices(value: Any, schema: Schema, root: Schema, place: str) -> Iterator[str]:
    for keyword in ("anyOf", "oneOf"):
        choices = schema.get(keyword)
        if choices and all(any(_problems(value, choice, root, place)) for choice in choices):
            yield f"does not fit: {place} is none of what {keyword} allows"


def _in_object(value: dict[str, Any], schema: Schema, root: Schema, place: str) -> Iterator[str]:
    properties, others = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", ()):
        if name not in value:
            yield f"does not fit: {place} lacks {name}"
    for name, item in value.items():
        if name not in properties and others is False:
            yield f"does not fit: {place} has {name}, which may not be there"
        yield from _problems(item, properties.get(name, others), root, f"{place}.{name}")


def _referred(reference: str, root: Schema) -> Any:
    """The schema that a reference within the document names; the grammar was made from it, so it is there."""
    found: Any = root
    for name in reference.removeprefix("#").split("/")[1:]:
        found = found[name]
    return found
