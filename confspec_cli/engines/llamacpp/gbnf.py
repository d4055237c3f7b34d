"""The words of GBNF, llama.cpp's grammar notation: literals, repetitions, and the rules of JSON itself."""

from __future__ import annotations

import json
from typing import Any

MOST_REPEATS = 200
"""A longer repetition is unbounded: llama.cpp writes out every one of them, and crashes on tens of thousands."""
COMMA = ' "," space '
PRIMITIVES = {
    "space": '" "?',
    "value": "object | array | string | number | boolean | null",
    "object": '"{" space (string ":" space value ("," space string ":" space value)*)? "}" space',
    "array": '"[" space (value ("," space value)*)? "]" space',
    "string": '"\\"" char* "\\"" space',
    "char": r'[^"\\\x7F\x00-\x1F] | "\\" (["\\/bfnrt] | "u" [0-9a-fA-F]{4})',
    "number": '"-"? whole ("." [0-9]{1,16})? ([eE] [-+]? [0-9]{1,3})? space',
    "integer": '"-"? whole space',
    "whole": "[0-9] | [1-9] [0-9]{1,15}",
    "boolean": '("true" | "false") space',
    "null": '"null" space',
    "date": '[0-9]{4} "-" ("0" [1-9] | "1" [0-2]) "-" ("0" [1-9] | [1-2] [0-9] | "3" [0-1])',
    "time": '([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9] ":" [0-5] [0-9] ("." [0-9]{3})? '
    '("Z" | [+-] ([01] [0-9] | "2" [0-3]) ":" [0-5] [0-9])',
    "date-time": 'date "T" time',
    "uuid": '[0-9a-fA-F]{8} ("-" [0-9a-fA-F]{4}){3} "-" [0-9a-fA-F]{12}',
}


def literal(text: str) -> str:
    """A text as it is."""
    for character, escaped in (("\\", "\\\\"), ('"', '\\"'), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t")):
        text = text.replace(character, escaped)
    return f'"{text}"'


def json_literal(value: Any) -> str:
    """A JSON value, character by character."""
    return literal(json.dumps(value, ensure_ascii=False))


def repeated(item: str, least: int, most: int | None) -> str:
    """One symbol at least and at most so many times, as far as a grammar counts."""
    upper = "" if most is None or most > MOST_REPEATS else str(most)
    return "" if most == 0 else f"{item}{{{min(least, MOST_REPEATS)},{upper}}}"


def separated(item: str, least: int, most: int | None, comma_first: bool = False) -> str:
    """`item` so many times, with commas between, and before the first one too if something stands there."""
    another = f'("," space {item})'
    if comma_first or most == 0:
        return repeated(another, least, most)
    others = repeated(another, max(0, least - 1), None if most is None else most - 1)
    return f"{item} {others}" if least > 0 else f"({item} {others})?"
