"""Token speculation: tokens are proposed before the model has decided on them, so that it verifies them in one batch.

Source: speculative decoding, arXiv:2211.17192, and prompt lookup, which proposes for free. Knows token ids and seconds;
knows nothing of text, models and caches.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Collection, Hashable

from confspec_cli.core.messages import Speculation

SIZES = (1, 2, 4, 8, 16, 32)
"""Batch sizes: one decided token, and the proposed ones after it."""

_NGRAM = 3
_LONG = (5, 12)  # matches of these lengths are counted apart: what follows them is accepted far more often
_RECENT = 0.25  # weight of the last batch of a size in the cost of that size
_FADING = 0.9995  # the assumed cost of a size shrinks by this with each batch of another size, until it is tried again
_WORTH = 1.25  # the least speed-up worth having, as batches round differently from single tokens
_DRAFT = "draft"
_PRIORS: dict[Hashable, tuple[float, float]] = {0: (2.0, 4.0), 1: (3.0, 4.0), 2: (19.0, 20.0), _DRAFT: (2.8, 4.0)}
"""Accepted and proposed tokens to start from, by kind: as measured on code and on word problems."""
_MEMORY = 0.95


class Lookup:
    """Finds an earlier occurrence of the last few tokens, among the first `most` if that is given."""

    def __init__(self) -> None:
        self._read: list[int] = []
        self._ends: dict[tuple[int, ...], int] = {}  # where each n-gram last ended, short of the end of the text

    def find(self, tokens: list[int], most: int | None = None) -> tuple[int, int]:
        """Where the match ends and how long it is; both 0 if there is none."""
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
    """The kind of a match: how many of the lengths in `_LONG` it reaches."""
    return sum(length >= bound for bound in _LONG)


class DraftLength:
    """How many tokens to propose, from the share that was accepted and the measured cost of batches on this device."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}
        self._longest = (0, 0.0)  # tokens of the last prefill, and its seconds
        self._accepted: dict[Hashable, tuple[float, float]] = {}  # accepted and proposed tokens, by kind

    def worth_proposing(self, kind: Hashable, price: float = 0.0) -> int:
        """How many tokens of this kind are worth a batch, perhaps none; each takes `price` seconds to propose."""
        if 1 not in self._seconds:
            return 0  # a batch can only be compared with a single token
        accepted, proposed = self._accepted.get(kind, _PRIORS[kind])
        share = min(accepted / proposed, 0.99)
        by_size = {size: (self._cost(size) + (size - 1) * price) / _expected(share, size) for size in SIZES}
        best = min(by_size, key=by_size.__getitem__)
        if by_size[1] < _WORTH * by_size[best]:
            best = 1
            self._accepted[kind] = _nearer(_PRIORS[kind], accepted, proposed)
        return best - 1

    def note_prefill(self, size: int, seconds: float) -> None:
        """Learn from a prefill of `size` tokens."""
        if size > SIZES[-1]:
            self._longest = size, seconds

    def note_batch(self, size: int, seconds: float) -> None:
        """Learn from a batch of `size` tokens."""
        fitting = next((one for one in SIZES if one >= size), SIZES[-1])
        before = self._seconds.get(fitting, seconds)
        self._seconds = {one: cost * (1 if one == 1 else _FADING) for one, cost in self._seconds.items()}
        self._seconds[fitting] = before + _RECENT * (seconds - before)

    def note_accepted(self, kind: Hashable, accepted: int, proposed: int) -> None:
        """Learn that the first `accepted` of so many proposed tokens were."""
        good, tried = self._accepted.get(kind, _PRIORS[kind])
        self._accepted[kind] = _MEMORY * good + accepted, _MEMORY * tried + accepted + (accepted < proposed)

    def single(self) -> float:
        """Seconds for a single token, 0 if none was measured."""
        return self._seconds.get(1, 0.0)

    def _cost(self, size: int) -> float:
        """Seconds for a batch: measured, or interpolated between smaller and larger ones, prefills among them."""
        measured = {self._longest[0]: self._longest[1], **self._seconds}
        below = max(one for one in measured if one <= size)
        above = min((one for one in measured if one >= size), default=0)
        if not above:
            return self._seconds[1] * size
        part = (size - below) / (above - below) if above > below else 0.0
        return measured[below] + part * (measured[above] - measured[below])


class Proposer:
    """Proposes tokens for one model: copied from the text so far if that pays, else by its `draft`, if that does.

    `ends` are the tokens that end a turn; nothing is copied past them.
    """

    def __init__(self, ends: Collection[int] = ()) -> None:
        self._ends = ends
        self.draft: Callable[[list[int], int], list[int]] | None = None
        """Proposes what another model would write after these tokens, so many at most."""
        self.relative_size = 1.0
        """Size of that model over this one's, and so the price of its tokens while decoding is bound by memory."""
        self._lookup = Lookup()
        self._length = DraftLength()
        self._kind: Hashable = None  # of the last proposal
        self._unmade: tuple[Hashable, list[int]] = (None, [])
        """A proposal that did not seem worth a batch: its kind, and the text with its first token."""
        self._price: float | None = None  # seconds per token of the draft, known from its second proposal on

    def propose(self, tokens: list[int], room: int, speculation: Speculation, given: int = 0) -> list[int]:
        """Tokens that may follow these, perhaps none; fewer than `room`.

        `auto` copies only from the first `given` tokens, which were there before the reply, and only while a long
        stretch of them is being copied: elsewhere too little is gained, as batches round differently.
        """
        if room > SIZES[-1] and speculation in (Speculation.NGRAM, Speculation.AUTO):
            self._see(tokens)
            copies = speculation is Speculation.AUTO
            place, length = self._lookup.find(tokens, given if copies else None)
            if length >= (_LONG[-1] if copies else _NGRAM):
                self._kind = kind_of_match(length)
                copied = tokens[place : place + self._length.worth_proposing(self._kind)]
                followed = list(itertools.takewhile(lambda token: token not in self._ends, copied))
                if followed:
                    return followed
                self._unmade = (self._kind, [*tokens, tokens[place]])
        if room > SIZES[-1] and self.draft and speculation is Speculation.DRAFT:
            return self._by_draft(tokens, self.draft)
        return []

    def _by_draft(self, tokens: list[int], draft: Callable[[list[int], int], list[int]]) -> list[int]:
        self._kind = _DRAFT
        count = self._length.worth_proposing(self._kind, self._price or self.relative_size * self._length.single())
        if not count:
            return []
        began = time.perf_counter()
        proposed = draft(tokens, count)
        price = (time.perf_counter() - began) / count
        if self._price is None:
            self._price = 0.0  # the first time it read all that was written before
        else:
            self._price += (price - self._price) * (_RECENT if self._price else 1.0)
        return proposed

    def _see(self, tokens: list[int]) -> None:
        """Learn whether a proposal that was not made would have been accepted: that costs nothing."""
        kind, foreseen = self._unmade
        if foreseen and tokens[: len(foreseen) - 1] == foreseen[:-1] and len(tokens) >= len(foreseen):
            self._length.note_accepted(kind, int(tokens[len(foreseen) - 1] == foreseen[-1]), 1)
        self._unmade = (None, [])

    def note_prefill(self, count: int, seconds: float) -> None:
        """Learn from a prefill of `count` tokens what batches will cost."""
        self._length.note_prefill(count, seconds)

    def note_batch(self, seconds: float, proposed: int = 0, accepted: int = 0) -> None:
        """Learn from a batch how long it took, and how many of its proposed tokens were accepted."""
        self._length.note_batch(1 + proposed, seconds)
        if proposed:
            self._length.note_accepted(self._kind, accepted, proposed)


def _expected(share: float, size: int) -> float:
    """Expected tokens from a batch of `size` if each proposed one is accepted with probability `share`."""
    return (1 - share**size) / (1 - share)


def _nearer(prior: tuple[float, float], accepted: float, proposed: float) -> tuple[float, float]:
    good, all_ = prior
    return accepted + (good - accepted) * (1 - _MEMORY) / 8, proposed + (all_ - proposed) * (1 - _MEMORY) / 8
