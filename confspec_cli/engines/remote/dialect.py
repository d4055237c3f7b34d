"""What the remote engine asks of a kind of server: tokens in, tokens out, no text."""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from typing import NamedTuple, Protocol, runtime_checkable

from confspec_cli.core.engine import Power
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote.spec import Served
from confspec_cli.engines.vocabulary import Vocabulary


class RemoteToken(NamedTuple):
    """A token as a server wrote or scored it, NaN its log-probability where the server does not say.

    A character of several tokens may come as one, with all their ids; none are known of what a server keeps to itself.
    """

    ids: tuple[int, ...]
    logprob: float
    is_argmax: bool
    ends: bool = False


class Dialect(Protocol):
    """One kind of server, connected. Every method raises ServerError, ContextFull or Interrupted."""

    served: Served
    powers: frozenset[Power]
    missing: tuple[str, ...]
    """A sentence for each power it lacks."""

    @property
    def vocabulary(self) -> Vocabulary:
        """The vocabulary of the model."""
        ...

    def ping(self) -> None:
        """Exchange the smallest message."""
        ...

    def forget(self) -> None:
        """Have the next call read its whole prompt afresh."""
        ...

    def complete(self, tokens: Sequence[int], sampling: Sampling, most: int) -> Generator[RemoteToken, None, None]:
        """What the model writes after `tokens`; closing it stops the server."""
        ...

    def next_probs(self, tokens: Sequence[int], wanted: Sequence[int]) -> Mapping[int, float]:
        """Probability (0..1) of each wanted token as the next one."""
        ...

    def close(self) -> None:
        """Let go of the server."""
        ...


@runtime_checkable
class ScoringDialect(Dialect, Protocol):
    """A kind of server that can read a given text token by token."""

    tokens_read: int
    """How many tokens of the last text it scored the server has read; it may have to read all of it again."""

    def score(
        self, tokens: Sequence[int], start: int, stop: int, wanted: Sequence[int]
    ) -> tuple[list[RemoteToken], Mapping[int, float]]:
        """The tokens from `start` to `stop` as the model reads them, and `next_probs` after all: in one request."""
        ...
