"""Decoding over the cache: the newest token stays pending until it is needed, and what was decided is remembered.

A token this model generated is decoded alone, as plain generation would, unless tokens are proposed to follow it: then
all of them are decided in one batch. Knows tokens; knows nothing of text.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection

from confspec_cli.core.messages import Speculation
from confspec_cli.engines.llamacpp.cache import Cache
from confspec_cli.engines.llamacpp.sampler import Choice, Choose, decide
from confspec_cli.engines.llamacpp.speculation import Proposer
from confspec_cli.engines.prompts.prompt_tokenizer import common

_UNKNOWN: Choice = (-1, 0.0, False, 0.0)


class Decoder:
    """The tokens of one model: those in the cache, the pending one, and the choices known for what follows.

    `ends` are the tokens that end a turn, `known` the choices made so far by the number of tokens before them.
    """

    def __init__(self, cache: Cache, ends: Collection[int]) -> None:
        self.cache = cache
        self.known: dict[int, Choice] = {}
        self.pending: list[int] = []  # the last token generated, not yet in the cache
        self.generated = 0  # of the tokens ever decoded
        self._ends = ends
        self._proposer = Proposer(ends)
        self._own: list[int] = []  # the tokens before the cache was lent to propose for another model

    @property
    def tokens(self) -> list[int]:
        """The text so far, the pending token included."""
        return self._own or [*self.cache.tokens, *self.pending]

    def keep(self, length: int, keeps_known: bool = False) -> None:
        """Drop all but the first `length` tokens; `keeps_known` keeps what this model is known to say after them."""
        if self._own:
            own = self._own
            self.rollback(common(own[:length], self.cache.tokens))
            self.cache.feed(own[len(self.cache) : length])
        if length > len(self.cache):
            self._feed_pending()
        self.rollback(self._foreseen(length) if keeps_known else length)

    def prefill(self, prompt: list[int], reply: list[int]) -> None:
        """Append the rest of a prompt, where a later rollback will be cheap, and what was written after it."""
        began = time.perf_counter()
        if prompt:
            self.cache.feed(prompt)
            self.cache.keep()
        self.cache.feed(reply)
        self._proposer.note_prefill(len(prompt) + len(reply), time.perf_counter() - began)

    def decide(
        self, choose: Choose, speculation: Speculation = Speculation.OFF, given: int = 0
    ) -> tuple[dict[int, Choice], int]:
        """Decide what comes next: the choices by position, and the size of the batch if tokens were proposed, else 0.

        `given` tokens were there before the reply.
        """
        proposed: list[int] = []
        if self.pending and speculation is not Speculation.OFF:
            text = [*self.cache.tokens, *self.pending]
            proposed = self._proposer.propose(text, self.cache.size - len(text), speculation, given)
        if proposed:
            return self._verify(choose, proposed), len(proposed) + 1
        began, waited = time.perf_counter(), bool(self.pending)
        self._feed_pending()
        if waited:
            self._proposer.note_batch(time.perf_counter() - began)
        return {len(self.cache): decide(choose, self.cache.logits())}, 0

    def _verify(self, choose: Choose, proposed: list[int]) -> dict[int, Choice]:
        """Decide after the pending token and after each proposed token that is accepted, all in one batch."""
        cache, pending = self.cache, self.pending
        here = len(cache) + len(pending)
        began = time.perf_counter()
        self.pending = []
        rows = next(cache.feed_reading([*pending, *proposed]))
        seconds = time.perf_counter() - began
        self.generated += len(rows)
        decided: dict[int, Choice] = {}
        accepted = 0
        for accepted, row in enumerate(rows):
            decided[here + accepted] = chosen = decide(choose, row)
            if accepted == len(proposed) or chosen[0] != proposed[accepted] or chosen[0] in self._ends:
                break
        cache.rollback(here + accepted, rows[accepted])
        self._proposer.note_batch(seconds, len(proposed), accepted)
        return decided

    def speculate_with(self, draft: Callable[[list[int], int], list[int]] | None, relative_size: float = 1.0) -> None:
        """Have another model propose tokens: `draft` says what it would write after these, so many at most."""
        self._proposer.draft, self._proposer.relative_size = draft, relative_size

    def propose(self, tokens: list[int], count: int) -> list[int]:
        """What this model would write after `tokens`, greedily; the cache is lent until the next `keep`."""
        if len(tokens) + count > self.cache.size:
            return []
        own, have = self.tokens, [*self.cache.tokens, *self.pending]
        same = min(common(tokens, have), len(tokens) - 1)
        if same > len(self.cache):
            self._feed_pending()
        self.rollback(same)
        self._own = own
        self.cache.feed(tokens[same:])
        proposed: list[int] = []
        while len(proposed) < count:
            token = int(self.cache.logits().argmax())
            if token in self._ends:
                break
            proposed.append(token)
            self.pending = [token]
            if len(proposed) < count:
                self._feed_pending()
        return proposed

    def rollback(self, length: int) -> None:
        """Drop everything after the first `length` tokens, and what was known of it."""
        self.cache.rollback(length)
        self.pending = []
        self._own = []
        for position in [one for one in self.known if one > length]:
            del self.known[position]

    def _feed_pending(self) -> None:
        if self.pending:
            token, self.pending = self.pending, []
            self.cache.feed(token)
            self.generated += 1

    def _foreseen(self, position: int) -> int:
        """The end of the tokens from `position` on that this model is known to say itself."""
        while position < len(self.cache) and self.known.get(position, _UNKNOWN)[0] == self.cache.tokens[position]:
            position += 1
        return position
