"""What the core asks of a model, and nothing more.

An engine is stateless to its caller: every call carries the whole prompt. What it keeps in its KV cache, and how it
rolls back, is its own affair. It knows neither steps nor gates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Generator, Mapping
from typing import Protocol

from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token


class Interrupt:
    """Asks the engines that share it to stop: safe from a signal handler and from any thread.

    The call in progress, or the next one, raises `Interrupted`, until `clear`. Native code polls the first byte of
    `buffer`.
    """

    def __init__(self) -> None:
        self.buffer = ctypes.create_string_buffer(2)

    def set(self) -> None:
        """Ask for a stop."""
        self.buffer[0] = b"x"

    def clear(self) -> None:
        """Forget the request."""
        self.buffer[0] = b"\0"

    def is_set(self) -> bool:
        """Whether a stop was asked for."""
        return self.buffer[0] != b"\0"


class Engine(Protocol):
    """One model, ready to write and to judge.

    Every method raises `ContextFull` when the prompt does not fit, `EngineError` when the model fails, and
    `Interrupted` when its interrupt was set.
    """

    @property
    def card(self) -> ModelCard:
        """The facts of the model."""
        ...

    @property
    def tokens_read(self) -> int:
        """How many tokens it has had to read so far: of prompts and of what others wrote, each as often as it was read.

        What it wrote itself, and questions that leave no trace, do not count.
        """
        ...

    @property
    def verification_tokens(self) -> int:
        """How many tokens of questions it has had to read so far."""
        ...

    @property
    def supports_rollback(self) -> bool:
        """Whether it can forget the end of what it has read without reading the rest again."""
        ...

    def reset(self) -> None:
        """Drop what is cached, so that the next call costs what it would cost a model just loaded."""
        ...

    def read(self, prompt: Prompt) -> None:
        """Catch up on the prompt, its question aside, in batched prefills; the next call finds it read."""
        ...

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn by up to `max_tokens` tokens; closing the iterator half-way is fine."""
        ...

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probability (0..1, over the whole vocabulary) of each label as the next token; one prefill, no trace left.

        A label of several tokens counts by its first.
        """
        ...

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """Read `continuation` in one prefill; with `ends`, the end of the turn is scored after it."""
        ...

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """`score`, and `label_probs` of the question in `prompt` put after the continuation, in one prefill."""
        ...

    def count(self, prompt: Prompt) -> int:
        """Tokens in the prompt."""
        ...

    def speculate_with(self, other: Engine | None) -> None:
        """Have another engine propose tokens for this one, if both have the same vocabulary; None stops that."""
        ...

    def close(self) -> None:
        """Free the model; calling it twice is fine."""
        ...
