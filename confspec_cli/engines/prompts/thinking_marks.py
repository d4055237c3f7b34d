"""A model's marks of thinking as tokens, and as text: there they are `<think>` and `</think>` whatever the style.

All styles that the vocabulary has tokens for are read, so that a model whose template is silent about its thinking
gives itself away by its first tokens.
"""

from __future__ import annotations

import re

from confspec_cli.core.thinking_styles import STYLES, THINK, ThinkingStyle
from confspec_cli.engines.vocabulary import Vocabulary

_TAG = re.compile(f"({re.escape(THINK.opens)}|{re.escape(THINK.closes)})")


class ThinkingMarks:
    """The marks of one model, by its template's style where it has one."""

    def __init__(self, vocab: Vocabulary, style: ThinkingStyle | None) -> None:
        self.vocab = vocab
        self.said: dict[tuple[int, ...], bytes] = {}  # what a sequence of tokens says
        for known in (style or THINK, *STYLES):
            meanings = {known.opens: THINK.opens, known.closes: THINK.closes, **dict.fromkeys(known.silent, "")}
            for mark, meaning in meanings.items():
                tokens = tuple(vocab.tokenize(mark, special=True))
                if tokens and vocab.is_special(tokens[0]):
                    self.said.setdefault(tokens, meaning.encode())
        self.begun = {tokens[:length] for tokens in self.said for length in range(1, len(tokens))}
        own = style or THINK
        self._spelled = {THINK.opens: own.opens, THINK.closes: own.closes}

    def tokenize(self, text: str) -> list[int]:
        """Tokens of what a model wrote, this one or another: a mark in it is a mark."""
        if THINK.opens not in text and THINK.closes not in text:
            return self.vocab.tokenize_reply(text)
        tokens: list[int] = []
        for part in _TAG.split(text):
            spelled = self._spelled.get(part)
            tokens += self.vocab.tokenize(spelled, special=True) if spelled else self.vocab.tokenize_reply(part)
        return tokens


class MarkReader:
    """Tokens read one by one as bytes. One that may begin a mark says nothing until that is clear."""

    def __init__(self, marks: ThinkingMarks) -> None:
        self._marks = marks
        self._held: tuple[int, ...] = ()

    def feed(self, token: int) -> bytes:
        """The bytes that are said now."""
        marks, said = self._marks, b""
        self._held = (*self._held, token)
        while self._held and self._held not in marks.begun:
            if self._held in marks.said:
                said += marks.said[self._held]
                self._held = ()
            else:
                said += marks.vocab.piece(self._held[0])
                self._held = self._held[1:]
        return said
