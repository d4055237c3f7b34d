"""What the core asks of a model, and nothing more.

An engine is stateless to its caller: every call carries the whole prompt. What it keeps in its KV cache, and how it
rolls back, is its own affair. It knows neither steps nor gates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Generator, Iterable, Mapping
from enum import Enum
from operator import itemgetter
from typing import Protocol, runtime_checkable

from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token
from confspec_cli.core.price import Usage


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


class Power(str, Enum):
    """What some engines can do and others cannot; every engine can continue a reply and count its tokens."""

    LOGPROBS = "logprobs"  # it says how likely each token is that it writes
    LABELS = "labels"  # it gives the probabilities of labels as the next token
    SCORE = "score"  # it reads a given step token by token
    CACHED_SCORE = "cached score"  # and needs not read the prompt before the step again
    GRAMMAR = "grammar"  # it writes what a grammar allows


ALL_POWERS = frozenset(Power)


class Engine(Protocol):
    """One model, ready to write and to verify.

    In the text of a reply thinking stands between `<think>` and `</think>`, whatever marks the model has for it.
    Every method raises `ContextFull` when the prompt does not fit, `EngineError` when the model fails or lacks a power
    that the call needs, and `Interrupted` when its interrupt was set.
    """

    @property
    def card(self) -> ModelCard:
        """Facts about the model."""
        ...

    @property
    def tokens_read(self) -> int:
        """How many tokens it has prefilled so far, of prompts and of what others wrote; again if it read them again.

        What it wrote itself does not count, nor do verification questions, which are rolled back.
        """
        ...

    @property
    def reading(self) -> tuple[int, int]:
        """How many tokens of the prefill in progress it has read, of how many; (0, 0) outside of one.

        May be asked from another thread while a call is in progress.
        """
        ...

    @property
    def verification_tokens(self) -> int:
        """How many tokens of verification questions it has prefilled so far."""
        ...

    @property
    def powers(self) -> frozenset[Power]:
        """What it can do of what not every engine can."""
        ...

    def reset(self) -> None:
        """Empty the KV cache, so that the next call costs what it would cost a model just loaded."""
        ...

    def read(self, prompt: Prompt) -> None:
        """Catch up on the prompt, without its question, in batched prefills, ahead of the next call."""
        ...

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn by up to `max_tokens` tokens; the iterator may be closed half-way."""
        ...

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probability (0..1, over the whole vocabulary) of each label as the next token: one prefill, rolled back.

        Of a label of several tokens the first counts.
        """
        ...

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """The tokens of `continuation` as the model reads them, in one prefill; if it `ends`, the turn's end too."""
        ...

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """`score`, and `label_probs` of the prompt's question put after the continuation, in one prefill."""
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


@runtime_checkable
class Noticing(Protocol):
    """An engine that meets with things worth telling while it works: a server that had to be asked again."""

    notices: list[str]
    """Sentences that nobody has been told yet."""


@runtime_checkable
class Metered(Protocol):
    """An engine behind a server that may charge for tokens."""

    @property
    def usage(self) -> Usage:
        """What it has sent and received since it was opened, as far as it can tell."""
        ...


def reading(engines: Iterable[Engine]) -> tuple[int, int]:
    """The largest prefill in progress of these engines, as `Engine.reading` tells it."""
    return max((engine.reading for engine in engines), key=itemgetter(1), default=(0, 0))
