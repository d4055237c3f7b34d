"""Regular expressions of JSON schemas as GBNF, matched against a string as JSON spells it.

Characters are sets of code points, so that those that JSON escapes (quotes, backslashes, line breaks) can be told from
the others. What is not regular (lookaheads, references) or nested without end raises NotRegularError.
"""

from __future__ import annotations

import re

from confspec_cli.engines.llamacpp.gbnf import literal, repeated

_LAST = 0x10FFFF
_MOST_CHARACTERS = 1000
Ranges = list[tuple[int, int]]

_ESCAPED = {'"': '"', "\\": "\\", "\n": "n", "\t": "t", "\r": "r", "\f": "f", "\b": "b"}
_CONTROLS = {"n": "\n", "t": "\t", "r": "\r", "f": "\f", "v": "\v", "0": "\0"}
_CLASSES: dict[str, Ranges] = {
    "d": [(48, 57)],
    "w": [(48, 57), (65, 90), (95, 95), (97, 122)],
    "s": [(9, 13), (32, 32), (160, 160)],
}
_QUANTIFIER = re.compile(r"(?:\{(\d+)(?:(,)(\d*))?\}|([*+?]))\??")
_HEX = re.compile(r"x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})")
_GROUP = re.compile(r"\((?:\?(?::|P<\w+>))?(?!\?)")


class NotRegularError(Exception):
    """The pattern says something that no grammar can."""


def pattern_rule(pattern: str) -> str:
    """The expression of a string, between its quotes, in which the pattern is found. Raises NotRegularError."""
    if len(pattern) > _MOST_CHARACTERS:
        raise NotRegularError(pattern)
    try:
        parser = _Parser(pattern)
        expression, _ = parser.choice(is_top=True)
    except RecursionError:
        raise NotRegularError(pattern) from None
    if parser.at < len(pattern):
        raise NotRegularError(pattern)
    return expression


class _Parser:
    """Reads one pattern. Each part is an expression and whether it may be empty: llama.cpp cannot repeat such a one."""

    def __init__(self, pattern: str) -> None:
        self._pattern = pattern
        self.at = 0

    def choice(self, is_top: bool = False) -> tuple[str, bool]:
        choices = [self._sequence(is_top)]
        while self._takes("|"):
            choices.append(self._sequence(is_top))
        return f"({' | '.join(text for text, _ in choices)})", any(empty for _, empty in choices)

    def _takes(self, text: str) -> bool:
        taken = self._pattern.startswith(text, self.at)
        self.at += len(text) if taken else 0
        return taken

    def _sequence(self, is_top: bool) -> tuple[str, bool]:
        parts = [] if not is_top or self._takes("^") else [("char*", True)]
        is_open = is_top
        while self.at < len(self._pattern) and self._pattern[self.at] not in "|)":
            if is_top and self._takes("$"):
                is_open = False
                if self.at < len(self._pattern) and self._pattern[self.at] != "|":
                    raise NotRegularError(self._pattern)
                break
            parts.append(self._repeated(self._atom()))
        if is_open:
            parts.append(("char*", True))
        return " ".join(text for text, _ in parts) or '""', all(empty for _, empty in parts)

    def _repeated(self, atom: tuple[str, bool]) -> tuple[str, bool]:
        text, empty = atom
        found = _QUANTIFIER.match(self._pattern, self.at)
        if not found:
            return atom
        self.at = found.end()
        least, comma, most, sign = found.groups()
        if sign:
            low, high = {"*": (0, None), "+": (1, None), "?": (0, 1)}[sign]
        else:
            low, high = int(least), int(least) if not comma else int(most) if most else None
        if (high is not None and high < low) or (empty and high != 1):
            raise NotRegularError(self._pattern)
        return repeated(text, low, high) or '""', empty or low == 0

    def _atom(self) -> tuple[str, bool]:
        character = self._pattern[self.at]
        if character == "(":
            group = _GROUP.match(self._pattern, self.at)
            if not group:
                raise NotRegularError(self._pattern)
            self.at = group.end()
            inner = self.choice()
            if not self._takes(")"):
                raise NotRegularError(self._pattern)
            return inner
        if character in "^$*+?":
            raise NotRegularError(self._pattern)
        self.at += 1
        if character == "[":
            return _one_of(self._class()), False
        if character == ".":
            return _one_of(_without([(0, _LAST)], [(10, 10), (13, 13)])), False
        return _one_of(self._escape() if character == "\\" else _just(character)), False

    def _class(self) -> Ranges:
        negated, ranges = self._takes("^"), Ranges()
        is_first = True
        while is_first or not self._takes("]"):
            is_first = False
            low = self._member()
            if self._pattern.startswith("-", self.at) and self._pattern[self.at + 1 : self.at + 2] not in ("]", ""):
                self.at += 1
                high = self._member()
                ranges.append((low[0][0], high[0][1]))
            else:
                ranges += low
        return _without([(0, _LAST)], ranges) if negated else ranges

    def _member(self) -> Ranges:
        if self.at >= len(self._pattern):
            raise NotRegularError(self._pattern)
        self.at += 1
        character = self._pattern[self.at - 1]
        return self._escape() if character == "\\" else _just(character)

    def _escape(self) -> Ranges:
        """What stands after a backslash."""
        if found := _HEX.match(self._pattern, self.at):
            self.at = found.end()
            return _just(chr(int(found[1] or found[2], 16)))
        name = self._pattern[self.at : self.at + 1]
        self.at += 1
        if name.lower() in _CLASSES:
            ranges = _CLASSES[name.lower()]
            return ranges if name.islower() else _without([(0, _LAST)], ranges)
        if name in _CONTROLS:
            return _just(_CONTROLS[name])
        if not name or (name.isalnum() and name.isascii()):
            raise NotRegularError(self._pattern)
        return _just(name)


def _just(character: str) -> Ranges:
    return [(ord(character), ord(character))]


def _without(ranges: Ranges, holes: Ranges) -> Ranges:
    for start, end in holes:
        ranges = [
            part
            for low, high in ranges
            for part in ((low, min(high, start - 1)), (max(low, end + 1), high))
            if part[0] <= part[1]
        ]
    return ranges


def _one_of(ranges: Ranges) -> str:
    """One character of the set, as it stands inside a JSON string."""
    plain = _without(ranges, [(0, 31), (127, 127), (34, 34), (92, 92)])
    escapes = [name for character, name in _ESCAPED.items() if any(lo <= ord(character) <= hi for lo, hi in ranges)]
    choices = []
    if plain:
        choices.append("[" + "".join(f"\\U{low:08X}-\\U{high:08X}" for low, high in plain) + "]")
    choices += [literal(f"\\{name}") for name in escapes]
    if not choices:
        raise NotRegularError("no character")
    return choices[0] if len(choices) == 1 else f"({' | '.join(choices)})"
