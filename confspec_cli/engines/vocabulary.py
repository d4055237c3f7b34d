"""What prompts need of a model's vocabulary, wherever it is kept: in this process or behind a server."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Protocol

_MARK = re.compile(r"[<\[{◁｜].+[>\]}▷｜]")


class Vocabulary(Protocol):
    """Text to tokens and back. Token ids are ints from 0 on."""

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Tokens of `text`, nothing added. With `special`, "<|im_end|>" is a control token; without, plain text.

        In plain text no mark such as "<think>" becomes its token either.
        """
        ...

    def tokenize_reply(self, text: str) -> list[int]:
        """Tokens of what a model wrote, which may hold tokens that are not control tokens but stand for a mark."""
        ...

    def is_special(self, token: int) -> bool:
        """Whether the token is no plain text: a control token, or one defined by a user."""
        ...

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; control tokens are empty, and half a character is half a character."""
        ...

    def begin(self) -> list[int]:
        """The token that opens every text, where the model wants one."""
        ...


def is_mark(text: str) -> bool:
    """Whether a token's text is a mark such as "<think>", not the white space or word that others stand for."""
    return _MARK.fullmatch(text) is not None


def without_marks(text: str, marks: Collection[str]) -> list[str]:
    """The text in parts, none of which holds a mark: each mark is cut after its first letter."""
    found = re.finditer(f"(?={'|'.join(map(re.escape, marks))})", text) if marks else ()
    cuts = [match.start() + 1 for match in found]
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]
