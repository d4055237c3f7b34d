"""An engine that remembers: what a model wrote or read once after the same prompt costs nothing again.

Gates tried on the same problem take the same steps for the most part, so trying the next one costs only what is new.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import replace
from typing import Any, TypeVar

from confspec_cli.core.engine import Engine, Power
from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token

T = TypeVar("T")


WRITING, READING = "writing", "reading"


class Recalled:
    """An engine in front of another, for one problem after another: `forget` between them.

    `work` is what the other engine wrote and read anew since then, in tokens and seconds, prompts left out.
    """

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self.work = {WRITING: (0, 0.0), READING: (0, 0.0)}
        self.tokens_read = 0
        self.verification_tokens = 0
        self._written: dict[tuple[Prompt, Sampling], list[Token]] = {}
        self._answers: dict[tuple[Any, ...], tuple[Any, int]] = {}

    @property
    def card(self) -> ModelCard:
        """Facts about the model."""
        return self._engine.card

    @property
    def powers(self) -> frozenset[Power]:
        """Those of the other engine."""
        return self._engine.powers

    @property
    def reading(self) -> tuple[int, int]:
        """That of the other engine."""
        return self._engine.reading

    def forget(self) -> None:
        """Remember nothing any more."""
        self._written.clear()
        self._answers.clear()
        self.work = dict.fromkeys(self.work, (0, 0.0))

    def reset(self) -> None:
        """Do nothing: what is remembered stays true."""

    def read(self, prompt: Prompt) -> None:
        """Do nothing: the other engine reads once there is something new to compute."""

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """What was written after this prompt before, and then whatever is missing of it."""
        known = self._written.setdefault((prompt, sampling), [])
        given = known[:max_tokens]
        yield from given
        if len(given) == max_tokens or (given and given[-1].ends):
            return
        with closing(self._engine.generate(prompt, sampling, max_tokens)) as tokens:
            self._engine.read(prompt)
            began = time.perf_counter()
            for n, token in enumerate(tokens):
                self._count(WRITING, 1, began)
                if n == len(known):
                    known.append(token)
                if n >= len(given):
                    yield token
                began = time.perf_counter()

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """The probabilities of the labels."""
        return self._recall(("label_probs", prompt, labels), prompt, lambda: self._engine.label_probs(prompt, labels))

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """The tokens of the continuation as the model reads them."""
        key = ("score", prompt, continuation, ends)
        return self._recall(key, prompt, lambda: self._engine.score(prompt, continuation, ends))

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Both readings in one."""
        key = ("judge", prompt, continuation, ends, labels)
        return self._recall(key, prompt, lambda: self._engine.judge(prompt, continuation, ends, labels))

    def count(self, prompt: Prompt) -> int:
        """Tokens in the prompt."""
        return self._engine.count(prompt)

    def speculate_with(self, other: Engine | None) -> None:
        """Do nothing: guesses change no text."""

    def close(self) -> None:
        """Do nothing: the other engine is not ours to close."""

    def _recall(self, key: tuple[Any, ...], prompt: Prompt, compute: Callable[[], T]) -> T:
        """An answer and the tokens that are read for it, the prompt left out: remembered, or computed now."""
        if key not in self._answers:
            self._engine.read(replace(prompt, ask=None))
            before = self._engine.tokens_read + self._engine.verification_tokens
            began = time.perf_counter()
            answer = compute()
            count = self._engine.tokens_read + self._engine.verification_tokens - before
            self._count(READING, count, began)
            self._answers[key] = answer, count
        answer, count = self._answers[key]
        self.tokens_read += count
        return answer

    def _count(self, kind: str, tokens: int, began: float) -> None:
        known, seconds = self.work[kind]
        self.work[kind] = known + tokens, seconds + time.perf_counter() - began
