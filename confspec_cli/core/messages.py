"""What the core and the engines pass to each other: messages, prompts, sampling settings, tokens, model cards."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from confspec_cli.core.price import Price

INT32_MAX = 2**31 - 1
"""The greatest number of tokens an engine can count."""


@dataclass(frozen=True, slots=True)
class Message:
    """A finished turn: role `system`, `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Prompt:
    """A conversation with its last, open assistant turn.

    `reply` is what has been said in the open turn, in segments; a seam between segments is never retokenized.
    `ask` closes the turn for the length of one call and puts a question after it, whose answer begins with `prefill`;
    a server that takes nothing but whole turns is asked without that.
    `think` opens the reply inside a `<think>` block, whatever the model's own template does.
    """

    messages: tuple[Message, ...]
    reply: tuple[str, ...] = ()
    ask: str | None = None
    think: bool = False
    prefill: str = ""


class Speculation(str, Enum):
    """Where the tokens come from that are proposed ahead, for the model to check in one batch."""

    OFF = "off"  # nowhere: every token is decoded by itself
    NGRAM = "ngram"  # the text so far: what followed where its last tokens stood before
    DRAFT = "draft"  # the draft, for a target of the same vocabulary
    AUTO = "auto"  # the prompt, where the reply is copying a long stretch of it


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

    def at(self, position: int) -> Sampling:
        """The same with a seed of 32 bits for what begins at a position: with one seed all steps would draw alike."""
        return replace(self, seed=(self.seed * 0x9E3779B1 + position) % 0xFFFFFFFF)


@dataclass(frozen=True, slots=True)
class Token:
    """One generated token.

    `text` may be empty (half a character, or the end) and `logprob` is the natural log of its probability at
    temperature 1, NaN where the engine does not say. `is_argmax`: no token was likelier. `entropy`, in nats, is that
    of the choice; None where the engine sees only the likeliest tokens. `ends`: it closes the turn. `speculated`: it
    was proposed ahead and held, so that no decode was spent on what follows it. `batch`: tokens in the batch of
    proposals that was decoded to decide on it and on what follows; 0 for one decided by itself, or before.
    """

    text: str
    logprob: float
    is_argmax: bool = True
    entropy: float | None = None
    ends: bool = False
    speculated: bool = False
    batch: int = 0


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The facts of a loaded model that a record needs. `bytes` is the size of the weights, `context` is in tokens.

    `thinking` is the style in which a model thinks, `unknown` where its thinking could not be told from its reply.
    A model behind a server has the server's kind and URL in `server`, and in `identity` what the server says it is
    instead of a `file` and its hash; its `bytes` may be 0, for unknown. A paid one has a `price`.
    """

    name: str
    file: str
    bytes: int
    context: int
    quant: str = ""
    sha256: str = ""
    gpu_layers: int = 0
    thinks: bool = False
    thinking: str = ""
    server: str = ""
    identity: str = ""
    price: Price | None = None
