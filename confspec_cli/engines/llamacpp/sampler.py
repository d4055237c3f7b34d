"""From logits to a token: greedy by numpy, everything else by llama.cpp's own samplers, a grammar over both."""

from __future__ import annotations

import ctypes
import functools
import math
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from confspec_cli.core.messages import Sampling
from confspec_cli.engines.llamacpp.cache import Logits
from confspec_cli.engines.llamacpp.grammar import TOKEN_DATA, Grammar
from confspec_cli.engines.llamacpp.native import lib, physical_cores
from confspec_cli.errors import EngineError

Choose = Callable[[Logits], int]
Choice = tuple[int, float, bool, float]
"""A token that was decided on: its id, and what `weigh` says of it."""
_NOTHING = np.float32(-1e4)  # a logit so far below the highest has no weight


def weigh(logits: Logits, token: int) -> tuple[float, bool, float]:
    """Natural log of the softmax probability of `token`, whether no token is likelier, and the entropy in nats.

    Raises EngineError when the logits are not numbers, which only damaged weights cause.
    """
    top = logits.max()
    below = logits - top
    weights = np.exp(below)
    total = float(weights.sum())
    value = float(below[token]) - math.log(total)
    if not math.isfinite(value):
        raise EngineError(
            "The model's output is not a number (NaN); its file is probably damaged.",
            "confspec pull MODEL   # checks the file against its pinned hash",
        )
    return value, bool(logits[token] == top), math.log(total) - _inner(weights, below) / total


def weigh_each(rows: Logits, tokens: Sequence[int]) -> list[tuple[float, bool, float]]:
    """`weigh` of each row (rows, vocab) and its token, on all cores: one takes longer than a GPU to read them."""
    return list(_pool().map(weigh, rows, tokens))


@functools.cache
def _pool() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(physical_cores(), "weigh")


def decide(choose: Choose, logits: Logits) -> Choice:
    """The token chosen, and its weight."""
    token = choose(logits)
    return token, *weigh(logits, token)


def _inner(weights: Logits, below: Logits) -> float:
    """The sum of their products; what has no weight adds nothing, be it infinitely far below."""
    with np.errstate(invalid="ignore"):
        inner = float(np.dot(weights, below))
    return float(np.dot(weights, np.maximum(below, _NOTHING))) if math.isnan(inner) else inner


class Sampler:
    """llama.cpp's top-k, top-p, min-p, temperature and seeded choice, over logits we hold.

    The seed of each call depends on the position, so that a run is repeatable step by step, whatever was verified,
    rejected or cached in between.
    """

    def __init__(self, vocab_size: int, vocab: object) -> None:
        self._vocab = vocab
        self._table = np.zeros(vocab_size, dtype=TOKEN_DATA)
        self._ids = np.arange(vocab_size, dtype=np.int32)
        self._chain: object = None
        self._grammar: Grammar | None = None

    def start(self, sampling: Sampling, position: int) -> Choose:
        """A function from logits (vocab,) to a token id, for one continuation that starts at `position`.

        Raises EngineError for a grammar that llama.cpp cannot follow.
        """
        self.close()
        choose = greedy if sampling.temperature <= 0 else self._chained(sampling, position)
        if sampling.grammar is None:
            return choose
        self._grammar = Grammar(self._vocab, sampling.grammar)
        return _held(choose, self._grammar)

    def _chained(self, sampling: Sampling, position: int) -> Choose:
        self._chain = lib.llama_sampler_chain_init(lib.llama_sampler_chain_default_params())
        for link in (
            lib.llama_sampler_init_top_k(sampling.top_k),
            lib.llama_sampler_init_top_p(sampling.top_p, 1),
            lib.llama_sampler_init_min_p(sampling.min_p, 1),
            lib.llama_sampler_init_temp(sampling.temperature),
            lib.llama_sampler_init_dist(sampling.at(position).seed),
        ):
            lib.llama_sampler_chain_add(self._chain, link)
        return self._choose

    def close(self) -> None:
        """Free the native chain and grammar."""
        if self._grammar:
            self._grammar.close()
            self._grammar = None
        if self._chain:
            lib.llama_sampler_free(self._chain)
            self._chain = None

    def _choose(self, logits: Logits) -> int:
        self._table["id"], self._table["logit"], self._table["p"] = self._ids, logits, 0
        data = ctypes.cast(self._table.ctypes.data, lib.llama_token_data_p)
        array = lib.llama_token_data_array(data=data, size=len(self._table), selected=-1, sorted=False)
        lib.llama_sampler_apply(self._chain, ctypes.byref(array))
        if not 0 <= array.selected < len(self._table):
            raise EngineError("llama.cpp's sampler chose no token.")
        return int(array.data[array.selected].id)


def greedy(logits: Logits) -> int:
    """The likeliest token."""
    return int(logits.argmax())


def _held(choose: Choose, grammar: Grammar) -> Choose:
    """Choose freely, and again among what the grammar allows only where it forbids the choice: masking is slow."""

    def chosen(logits: Logits) -> int:
        token = choose(logits)
        if not grammar.allows(token):
            token = choose(grammar.masked(logits))
        grammar.accept(token)
        return token

    return chosen
