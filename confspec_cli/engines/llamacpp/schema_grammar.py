"""JSON schemas as GBNF grammars, as llama.cpp converts them: required properties, then optional ones, no others unless
asked for.

A grammar holds an answer to the shape of a schema; what it cannot express (long repetitions, `not`, numeric bounds,
lookaheads) it leaves open, and the finished answer is validated. Refuses, by JSON pointer, what no answer can fit.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import unquote

from confspec_cli.engines.llamacpp.gbnf import COMMA, PRIMITIVES, json_literal, repeated, separated
from confspec_cli.engines.llamacpp.pattern_grammar import NotRegularError, pattern_rule
from confspec_cli.errors import UsageError

_MOST_ORDERED = 100  # optional properties beyond these may come in any order: each one deepens llama.cpp's recursion

_FORMATS = ("date", "time", "date-time", "uuid")
_IMPLIED = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties", "maxProperties"),
    "array": ("items", "prefixItems", "minItems", "maxItems", "uniqueItems", "contains"),
    "string": ("pattern", "minLength", "maxLength", "format"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}
Schema = Mapping[str, Any] | bool


class _NothingFitsError(UsageError):
    """No value fits this part of the schema, so a choice may leave it out."""


def grammar_of(schema: Schema) -> str:
    """The grammar of a valid JSON schema. Raises UsageError, with the place, for one that no answer can fit."""
    converter = _Converter(schema)
    try:
        root = converter.value(schema, "#", ())
    except RecursionError:
        raise UsageError("The schema is nested too deeply.", "make it flatter") from None
    rules = {**PRIMITIVES, **converter.rules, "root": root}
    return "\n".join(f"{name} ::= {rule}" for name, rule in rules.items())


class _Converter:
    """The rules of one schema. `chain`: references followed since the last bracket; following one twice never ends."""

    def __init__(self, root: Schema) -> None:
        self.rules: dict[str, str] = {}
        self._root = root
        self._references: dict[str, str] = {}

    def value(self, schema: Schema, where: str, chain: tuple[str, ...]) -> str:
        """The expression of a value that fits."""
        if isinstance(schema, bool):
            if not schema:
                raise _refusal(where, "allows no value")
            return "value"
        if "$ref" in schema:
            return self._reference(schema["$ref"], where, chain)
        if "const" in schema or "enum" in schema:
            values = [schema["const"]] if "const" in schema else schema["enum"]
            if not values:
                raise _refusal(f"{where}/enum", "allows no value")
            return f"({' | '.join(json_literal(value) for value in values)}) space"
        if "allOf" in schema:
            return self.value(self._all_of(schema, where, chain), f"{where}/allOf", chain)
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                base = {key: value for key, value in schema.items() if key != keyword}
                branches = [
                    (self._both(base, branch, where, chain), f"{where}/{keyword}/{index}")
                    for index, branch in enumerate(schema[keyword])
                ]
                return self._choice(branches, lambda branch, place: self.value(branch, place, chain))
        return self._typed(schema, where)

    def _typed(self, schema: Mapping[str, Any], where: str) -> str:
        kinds = schema.get("type") or [kind for kind, keys in _IMPLIED.items() if any(key in schema for key in keys)]
        kinds = [kinds] if isinstance(kinds, str) else kinds
        if not kinds:
            return "value"
        return self._choice([({**schema, "type": kind}, where) for kind in kinds], self._of_one_type)

    def _of_one_type(self, schema: Any, where: str) -> str:
        match schema["type"]:
            case "object":
                return self._object(schema, where)
            case "array":
                return self._array(schema, where)
            case "string":
                return self._string(schema, where)
            case "number" | "integer":
                return _number(schema)
        return str(schema["type"])

    def _choice(self, parts: Sequence[tuple[Schema, str]], read: Callable[[Schema, str], str]) -> str:
        """A choice of all the parts that something fits."""
        choices: dict[str, None] = {}
        refusals = []
        for part, where in parts:
            try:
                choices[read(part, where)] = None
            except _NothingFitsError as refusal:
                refusals.append(refusal)
        if not choices:
            raise refusals[0]
        return next(iter(choices)) if len(choices) == 1 else self._rule(" | ".join(choices))

    def _rule(self, expression: str) -> str:
        name = f"rule-{len(self.rules) + 1}"
        self.rules[name] = expression
        return name

    def _reference(self, reference: str, where: str, chain: tuple[str, ...]) -> str:
        if reference in chain:
            raise UsageError(f"The schema's reference at {where} leads back to itself.", "remove it")
        if reference not in self._references:
            name = self._references[reference] = self._rule("")
            self.rules[name] = self.value(self._target(reference, where), reference, (*chain, reference))
        return self._references[reference]

    def _target(self, reference: str, where: str) -> Schema:
        """The part of this document that a reference names."""
        if reference.startswith("#") and "/" not in reference and reference != "#":
            return True  # an anchor: validation follows it
        found: Any = self._root if reference.startswith("#") else None
        try:
            for name in unquote(reference).split("/")[1:]:
                key = name.replace("~1", "/").replace("~0", "~")
                found = found[int(key)] if isinstance(found, list) else found[key]
        except (KeyError, IndexError, ValueError, TypeError):
            found = None
        if not isinstance(found, Mapping | bool):
            raise UsageError(
                f'The schema refers at {where} to "{reference}", which is not in it.', "put all definitions into $defs"
            )
        return found

    def _all_of(self, schema: Mapping[str, Any], where: str, chain: tuple[str, ...]) -> Schema:
        merged: Schema = {key: value for key, value in schema.items() if key != "allOf"}
        for part in schema["allOf"]:
            merged = self._both(merged, part, where, chain)
        return merged

    def _both(self, base: Schema, part: Schema, where: str, chain: tuple[str, ...]) -> Schema:
        """One schema for what fits two, as far as shapes go; where both have the same keyword, the second counts."""
        if isinstance(base, bool) or isinstance(part, bool):
            return base if part is True else part
        if not any(key in base for keys in _IMPLIED.values() for key in (*keys, "type", "anyOf", "oneOf")):
            return part
        if "$ref" in part:
            if part["$ref"] in chain:
                raise UsageError(f"The schema's reference at {where} leads back to itself.", "remove it")
            target = self._target(part["$ref"], where)
            return self._both(base, target, where, (*chain, part["$ref"]))
        if "allOf" in part:
            part = self._all_of(part, where, chain)
            if isinstance(part, bool):
                return base if part else part
        merged = {**base, **part}
        if "properties" in base and "properties" in part:
            merged["properties"] = {**base["properties"], **part["properties"]}
        if "required" in base and "required" in part:
            merged["required"] = [*base["required"], *part["required"]]
        return merged

    def _object(self, schema: Mapping[str, Any], where: str) -> str:
        others = schema.get("additionalProperties")
        listed = {name: (its, f"{where}/properties/{name}") for name, its in schema.get("properties", {}).items()}
        required = list(dict.fromkeys(schema.get("required", ())))
        for name in required:
            listed.setdefault(name, (True if others is None else others, f"{where}/required"))
        is_closed = others is False or (others is None and bool(listed) and "patternProperties" not in schema)
        needed = [self._pair(name, *listed[name]) for name in required]
        optional = []
        for name, (its, place) in listed.items():
            if name not in required:
                try:
                    optional.append(self._pair(name, its, place))
                except _NothingFitsError:
                    continue  # a property that may not be there
        if not is_closed:
            value = "value" if others is None else self.value(others, f"{where}/additionalProperties", ())
            if not listed:
                pair = self._rule(f'string ":" space {value}')
                least, most = _bounds(schema, "Properties", where)
                return f'"{{" space {separated(pair, least, most)} "}}" space'
            other = self._rule(f'string ":" space {value}')
            optional.append(self._rule(f'{other} ("," space {other})*'))
        return self._rule(self._members(needed, optional))

    def _members(self, needed: list[str], optional: list[str]) -> str:
        body = ' "," space '.join(needed)
        if optional:
            if len(optional) > _MOST_ORDERED:
                one = self._rule(" | ".join(optional))
                some = f'{one} ("," space {one})*'
            else:
                rest, starts = "", []
                for pair in reversed(optional):
                    starts.append(f"{pair} {rest}")
                    rest = self._rule(f'("," space {pair})? {rest}')
                some = " | ".join(reversed(starts))
            body += f' ("," space ({some}))?' if needed else f" ({some})?"
        return f'"{{" space {body} "}}" space'

    def _pair(self, name: str, schema: Schema, where: str) -> str:
        return self._rule(f'{json_literal(name)} space ":" space {self.value(schema, where, ())}')

    def _array(self, schema: Mapping[str, Any], where: str) -> str:
        first, rest = schema.get("prefixItems", []), schema.get("items")
        if isinstance(rest, list):  # as drafts before 2020-12 write a tuple
            first, rest = rest, schema.get("additionalItems")
        least, most = _bounds(schema, "Items", where)
        first = first[:most]
        items = [self.value(its, f"{where}/prefixItems/{index}", ()) for index, its in enumerate(first)]
        rest = (not first or least > len(first)) if rest is None else rest
        if rest is False or (most is not None and most <= len(first)):
            if least > len(first):
                raise _refusal(where, "wants more items than it allows")
            return self._rule(f'"[" space {COMMA.join(items)} "]" space')
        item = self.value(rest, f"{where}/items", ())
        left = None if most is None else most - len(first)
        more = separated(item, max(0, least - len(first)), left, comma_first=bool(first))
        return self._rule(f'"[" space {COMMA.join(items)} {more} "]" space')

    def _string(self, schema: Mapping[str, Any], where: str) -> str:
        if "pattern" in schema:
            try:
                return self._rule(f'"\\"" {pattern_rule(schema["pattern"])} "\\"" space')
            except NotRegularError:
                pass  # validation alone holds to it
        elif schema.get("format") in _FORMATS:
            return f'"\\"" {schema["format"]} "\\"" space'
        if "minLength" not in schema and "maxLength" not in schema:
            return "string"
        least, most = _bounds(schema, "Length", where)
        return f'"\\"" {repeated("char", least, most)} "\\"" space'


def _refusal(where: str, why: str) -> _NothingFitsError:
    return _NothingFitsError(f"No answer can fit the schema: {where} {why}.", "mend that part of the schema")


def _number(schema: Mapping[str, Any]) -> str:
    """A number, without a sign where the schema allows no negative one; other bounds are validated."""
    if schema.get("minimum", schema.get("exclusiveMinimum", -1)) >= 0:
        return PRIMITIVES[schema["type"]].removeprefix('"-"? ')
    return str(schema["type"])


def _bounds(schema: Mapping[str, Any], of: str, where: str) -> tuple[int, int | None]:
    """The least and most of something that the schema allows."""
    least, most = int(schema.get(f"min{of}", 0)), int(schema[f"max{of}"]) if f"max{of}" in schema else None
    if most is not None and most < least:
        raise _refusal(where, f"has a min{of} above its max{of}")
    return least, most
