"""Guessing ahead: tokens proposed before the model has decided on them, so that it checks them in one batch.

Source: speculative decoding, arXiv:2211.17192, with prompt lookup for a proposer that costs nothing. Knows token ids
and seconds; refuses to know text, models and caches.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Hashable, Sequence

from confspec_cli.core.messages import Speculation

SIZES = (1, 2, 4, 8, 16, 32)
"""Tokens in a batch: one that is decided, and the guesses after it."""

_NGRAM = 3
_LONG = (5, 12)  # matches that long are told from shorter ones: what follows them holds far more often
_RECENT = 0.25  # how much the last batch of a size weighs in what that size costs
_FADING = 0.9995  # what a size is held to cost shrinks by this with every other batch, until it is tried again
_WORTH = 1.25  # how much faster guesses must make it, as batches round otherwise than single tokens
_ASSISTANT = "assistant"
_PRIORS: dict[Hashable, tuple[float, float]] = {0: (2.0, 4.0), 1: (3.0, 4.0), 2: (19.0, 20.0), _ASSISTANT: (2.8, 4.0)}
"""Guesses that held, and guesses, before any was made, by kind: as seen on code and on arithmetic in words."""
_MEMORY = 0.95


class Lookup:
    """Finds where the last few tokens stood before, among the first `most` where that is given."""

    def __init__(self) -> None:
        self._read: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}  # where each n-gram last ended, short of the end of the text

    def find(self, tokens: list[int], most: int | None = None) -> tuple[int, int]:
        """Where the match ends and how long it is, both 0 where there is none."""
        self._index(tokens if most is None else tokens[:most])
        place = self._ends.get(tuple(tokens[-_NGRAM:]), 0)
        if not 0 < place < len(tokens):
            return 0, 0
        length = 0
        while length < min(place, _LONG[-1]) and tokens[place - 1 - length] == tokens[-1 - length]:
            length += 1
        return (place, length) if length >= _NGRAM else (0, 0)

    def _index(self, tokens: list[int]) -> None:
        known = len(self._read)
        if tokens[:known] != self._read:
            known, self._ends = 0, {}
        for end in range(max(known, _NGRAM), len(tokens)):
            self._ends[tuple(tokens[end - _NGRAM : end])] = end
        self._read = tokens


def kind_of_match(length: int) -> int:
    """Matches that are told apart: the number of bounds in `_LONG` this length reaches."""
    return sum(length >= bound for bound in _LONG)


class Pace:
    """How many tokens to guess, by how often such guesses held and by what batches cost on this device, as measured."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._longest = (0, 0.0)  # tokens of the last prefill, and its seconds
        self._held: dict[Hashable, tuple[float, float]] = {}

    def guesses(self, kind: Hashable, price: float = 0.0) -> int:
        """Guesses of this kind that are worth a batch, each of which takes `price` seconds to make; perhaps none."""
        if 1 not in self._seconds:
            return 0  # a batch can only be held against one token by itself
        held, tried = self._held.get(kind, _PRIORS[kind])
        share = min(held / tried, 0.99)
        by_size = {size: (self._cost(size) + (size - 1) * price) / _expected(share, size) for size in SIZES}
        best = min(by_size, key=by_size.__getitem__)
        if by_size[1] < _WORTH * by_size[best]:
            best = 1
            self._held[kind] = _nearer(_PRIORS[kind], held, tried)
        return best - 1

    def read(self, size: int, seconds: float) -> None:
        """Learn what a prefill of `size` tokens took."""
        if size > SIZES[-1]:
            self._longest = size, seconds

    def took(self, size: int, seconds: float) -> None:
        """Learn what a batch of `size` tokens took."""
        fitting = next((one for one in SIZES if one >= size), SIZES[-1])
        before = self._seconds.get(fitting, seconds)
        self._seconds = {one: cost * (1 if one == 1 else _FADING) for one, cost in self._seconds.items()}
        self._seconds[fitting] = before + _RECENT * (seconds - before)

    def held(self, kind: Hashable, held: int, speculated: int) -> None:
        """Learn that of so many guesses the first `held` were what the model decided on."""
        good, tried = self._held.get(kind, _PRIORS[kind])
        self._held[kind] = _MEMORY * good + held, _MEMORY * tried + held + (held < speculated)

    def single(self) -> float:
        """Seconds for one token by itself, 0 where none was measured."""
        return self._seconds.get(1, 0.0)

    def _cost(self, size: int) -> float:
        """Seconds for a batch; where none was tried, what lies between smaller and larger ones, which prefills tell."""
        measured = {self._longest[0]: self._longest[1], **self._seconds}
        below = max(one for one in measured if one <= size)
        above = min((one for one in measured if one >= size), default=0)
        if not above:
            return self._seconds[1] * size
        part = (size - below) / (above - below) if above > below else 0.0
        return measured[below] + part * (measured[above] - measured[below])


class Guesser:
    """Guesses for one model: from the text so far where that pays, else from its `assistant`, where that does.

    `ends` are the tokens that close a turn, past which nothing is copied.
    """

    def __init__(self, ends: Collection[int] = ()) -> None:
        self._ends = ends
        self.assistant: Callable[[list[int], int], list[int]] | None = None
        """Says what another model would write after these tokens, so many at most."""
        self.weight = 1.0
        """The size of that model over this one's, which is what a token costs where decoding waits for memory."""
        self._lookup = Lookup()
        self._pace = Pace()
        self._kind: Hashable = None  # of the guesses last made
        self._unmade: tuple[Hashable, list[int]] = (None, [])
        """A guess that did not seem worth a batch: its kind, and the text with it."""
        self._price: float | None = None  # seconds the assistant takes for one, known from its second time on

    def guess(self, tokens: list[int], room: int, speculation: Speculation, given: int = 0) -> list[int]:
        """The next tokens after these, as guessed, perhaps none; at most `room` less one.

        Left to itself (`auto`) it looks back on the first `given` tokens alone, which were there before the reply, and
        only where a long stretch of them is being copied: elsewhere too little is gained, as batches round otherwise.
        """
        if room > SIZES[-1] and speculation in (Speculation.NGRAM, Speculation.AUTO):
            self._see(tokens)
            copies = speculation is Speculation.AUTO
            place, length = self._lookup.find(tokens, given if copies else None)
            if length >= (_LONG[-1] if copies else _NGRAM):
                self._kind = kind_of_match(length)
                followed = self._short_of_end(tokens[place : place + self._pace.guesses(self._kind)])
                if followed:
                    return followed
                self._unmade = (self._kind, [*tokens, tokens[place]])
        if room > SIZES[-1] and self.assistant and speculation is Speculation.DRAFT:
            self._kind = _ASSISTANT
            count = self._pace.guesses(self._kind, self._price or self.weight * self._pace.single())
            if count:
                began = time.perf_counter()
                guesses = self.assistant(tokens, count)
                price = (time.perf_counter() - began) / count
                if self._price is None:
                    self._price = 0.0  # the first time it read all that was written before
                else:
                    self._price += (price - self._price) * (_RECENT if self._price else 1.0)
                return guesses
        return []

    def _short_of_end(self, guesses: list[int]) -> list[int]:
        return list(itertools.takewhile(lambda token: token not in self._ends, guesses))

    def _see(self, tokens: list[int]) -> None:
        """Learn whether a guess that was not made would have held: that costs nothing."""
        kind, foreseen = self._unmade
        if foreseen and tokens[: len(foreseen) - 1] == foreseen[:-1] and len(tokens) >= len(foreseen):
            self._pace.held(kind, int(tokens[len(foreseen) - 1] == foreseen[-1]), 1)
        self._unmade = (None, [])

    def read(self, count: int, seconds: float) -> None:
        """Learn what a prefill of `count` tokens took: it tells what batches will cost."""
        self._pace.read(count, seconds)

    def took(self, seconds: float, speculated: int = 0, held: int = 0) -> None:
        """Learn what it took to check them, and that the first `held` of them held."""
        self._pace.took(1 + speculated, seconds)
        if speculated:
            self._pace.held(self._kind, held, speculated)


def _expected(share: float, size: int) -> float:
    """Tokens that a batch of `size` gains where each guess holds with probability `share`."""
    return (1 - share**size) / (1 - share)


def _nearer(prior: tuple[float, float], held: float, tried: float) -> tuple[float, float]:
    good, all_ = prior
    return held + (good - held) * (1 - _MEMORY) / 8, tried + (all_ - tried) * (1 - _MEMORY) / 8


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    short = min(len(one), len(other))
    if one[:short] == other[:short]:
        return short
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
