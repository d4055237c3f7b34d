"""What the cascade asks of a model, and nothing more.

An engine is stateless to its caller: every call carries the whole prompt. What it keeps in its KV cache, and how it
rolls back, is its own affair. It knows neither steps nor gates.
"""

from __future__ import annotations

import ctypes
from collections.abc import Generator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Message:
    """A finished turn: role `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation with its last, open assistant turn.

    `reply` is what has been said in the open turn, in segments; a seam between segments is never retokenized.
    `ask` closes the turn for the length of one call and puts a question after it.
    `think` opens the reply inside a `<think>` block, whatever the model's own template does.
    """

    messages: tuple[Message, ...]
    reply: tuple[str, ...] = ()
    ask: str | None = None
    think: bool = False


class Speculation(str, Enum):
    """Who guesses tokens ahead, for the model to check in one batch."""

    OFF = "off"  # nobody: every token is decoded by itself
    NGRAM = "ngram"  # the text so far, where its last tokens stood before
    DRAFT = "draft"  # the draft, for a target of the same vocabulary
    AUTO = "auto"  # where what was given is being copied, what follows there; else the draft, where that pays


@dataclass(frozen=True, slots=True)
class Sampling:
    """How the next token is chosen. Temperature 0 is greedy and ignores all of the rest but the last two.

    `grammar` is GBNF with the start symbol `root`: the text can only be what it allows, and ends when it is complete.
    `speculation` changes the time alone: what a batch decides may differ from single tokens only where two tokens are
    as good as equally likely.
    """

    temperature: float = 0.0
    top_k: int = 40
    top_p: float = 0.95
    min_p: float = 0.05
    seed: int = 0
    grammar: str | None = None
    speculation: Speculation = Speculation.OFF


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    `text` may be empty (half a character, or the end) and `logprob` is the natural log of its probability at
    temperature 1. `is_argmax`: no token was likelier. `entropy`, in nats, is that of the choice. `ends`: it closes the
    turn. `guessed`: it was guessed ahead and held, so that no decode was spent on what follows it. `batch`: tokens in
    the batch of guesses that was decoded to decide on it and on what follows; 0 for one decided by itself, or before.
    """

    text: str
    logprob: float
    is_argmax: bool = True
    entropy: float = 0.0
    ends: bool = False
    guessed: bool = False
    batch: int = 0


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts of a loaded model that a record needs. `bytes` is the size of the weights, `context` is in tokens."""

    name: str
    file: str
    bytes: int
    context: int
    quant: str = ""
    sha256: str = ""
    gpu_layers: int = 0
    thinks: bool = False


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
    def tokens_asked(self) -> int:
        """How many tokens of questions it has had to read so far."""
        ...

    @property
    def goes_back(self) -> bool:
        """Whether it can forget the end of what it has read without reading the rest again."""
        ...

    def forget(self) -> None:
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

    def take_guesses_of(self, other: Engine | None) -> None:
        """Have another engine guess ahead for this one, where both have the same vocabulary; None: none does."""
        ...

    def close(self) -> None:
        """Free the model; calling it twice is fine."""
        ...
