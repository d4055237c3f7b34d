"""The letter of the choice a reply decides on, among the letters it only talks about."""

from __future__ import annotations

import re

_MARKUP = r"[\s*_$(\[{\\]*(?:(?:text|textbf|mathbf|mathrm|boxed)\{)?[\s*(]*"
_BARE = re.compile(rf"{_MARKUP}([A-J])\b(?!')(?!\s+[a-z])[\W_]*.*", re.DOTALL)
_ALONE = re.compile(r"\W*([A-Ja-j])\W*")
_LOWER = re.compile(r"(?i:answer)(?:\s+is)?[\s:*_(]+([a-j])(?=[).]|\s*$)", re.MULTILINE)
_MENTION = re.compile(r"(?<![\w'’-])(\(?)([A-J])(?![\w'’-])(?:\\\w+)?\)?")
_GOES_ON = re.compile(r"\s+(?!because|since|as\b|is\b|and\b|or\b|not\b|but\b|over\b|rather\b|here\b)[a-z]")
_NEGATED = re.compile(
    r"\b(?:not|never|than|instead of|isn't|isn’t|unlike|neither|nor|against|eliminate|exclude)\s+"
    r"(?:(?:is|be|the|answer|option|choice)\s+)*\W*$",
    re.IGNORECASE,
)
_REJECTED = re.compile(
    r"\W*\s*(?:is|are|was|would be|seems|looks)\s+(?:\w+\s+)?(?:wrong|incorrect|not|false|out|a common|a distractor)",
    re.IGNORECASE,
)
_NAMED = re.compile(r"\b(?:answer|(?:correct|right|best|final)\s+(?:choice|option))\b[^.\n]{0,40}$", re.IGNORECASE)
_NAMED_BELOW = re.compile(r"\banswer\b\W*\n\W*$", re.IGNORECASE)
_IS_ANSWER = re.compile(r"\W*\s*is\s+(?:the\s+)?(?:correct|right|best|answer)\b", re.IGNORECASE)
_CONCLUDED = re.compile(
    r"\b(?:it is|it's|must be|should be|choose|chose|select|pick|say|go with|so|thus|therefore|hence)\b[^.\n]{0,24}$",
    re.IGNORECASE,
)


def bare_letter(text: str) -> str | None:
    """The letter of a text that is a letter, or begins with one set apart: "B", "(b)", "B. Paris"; else None."""
    if alone := _ALONE.fullmatch(text):
        return alone[1].upper()
    begins = _BARE.fullmatch(text)
    return begins[1] if begins and len({one[2] for one in _MENTION.finditer(text)}) == 1 else None


def chosen_letter(reply: str) -> str | None:
    """The letter a reply decides on: the last one named as the answer, else concluded, else the only one set apart."""
    found: dict[int, list[str]] = {}
    named = 0  # where the last letter that was named as the answer ended
    for mention in _MENTION.finditer(reply):
        strength = _strength(reply, mention, named)
        named = mention.end() if strength == 3 else named
        found.setdefault(strength, []).append(mention[2])
    for lower in _LOWER.finditer(reply):
        found.setdefault(3, []).append(lower[1].upper())
    for strength in (3, 2):
        if strength in found:
            return found[strength][-1]
    apart = set(found.get(1, []))
    return apart.pop() if len(apart) == 1 else None


def _strength(reply: str, mention: re.Match[str], named: int) -> int:
    before, after = reply[max(named, mention.start() - 80) : mention.start()], reply[mention.end() : mention.end() + 40]
    set_apart = bool(mention[1])
    if not set_apart and mention[2] in "AI" and _GOES_ON.match(after):
        return 0  # an article, or the first person
    if _NEGATED.search(before) or _REJECTED.match(after):
        return 0
    if _NAMED.search(before) or _NAMED_BELOW.search(before) or _IS_ANSWER.match(after):
        return 3
    if _CONCLUDED.search(before):
        return 2
    return int(set_apart or not before.rpartition("\n")[2].strip(" *_"))
