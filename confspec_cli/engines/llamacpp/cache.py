"""The KV cache of one context: its tokens, how tokens are appended, and exact rollback.

The logits of the last position are always available, and those of kept positions survive a rollback to them. Attention
models roll back any part of the cache. Recurrent and hybrid models cannot: they return to a checkpoint kept in another
sequence and read on from there. Knows tokens and positions; knows nothing of text.
"""

from __future__ import annotations

import ctypes
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp.native import Worker, lib
from confspec_cli.errors import ContextFull, EngineError, Interrupted

Logits = npt.NDArray[np.float32]

MAX_BATCH = 512
MAX_OUTPUTS = 64  # rows of logits per batch; more only costs memory
SEQUENCES = 3  # for models that cannot roll back: the text, a scratch copy and the checkpoint
_TEXT, _SCRATCH, _CHECKPOINT = range(SEQUENCES)
_QUICK = 8  # batches up to this size run on the calling thread: they return before anyone could miss Ctrl-C
_KEPT = 2


class Cache:
    """The tokens of sequence 0 of a context, mirrored, and the logits after its last one.

    `partial` says whether the context can drop the tail of a sequence.
    """

    def __init__(self, context: object, vocab_size: int, partial: bool, interrupt: Interrupt) -> None:
        self._context = context
        self._memory = lib.llama_get_memory(context)
        self._vocab_size = vocab_size
        self.partial = partial
        self._interrupt = interrupt
        self._worker = Worker(interrupt)
        self._batch = lib.llama_batch_init(MAX_BATCH, 0, 1)
        self._columns = [
            np.ctypeslib.as_array(column, shape=(MAX_BATCH,))
            for column in (self._batch.token, self._batch.pos, self._batch.logits)
        ]
        self._sequence_ids = [self._batch.seq_id[i] for i in range(MAX_BATCH)]
        np.ctypeslib.as_array(self._batch.n_seq_id, shape=(MAX_BATCH,))[:] = 1
        self._in_sequence = -1
        self.size: int = lib.llama_n_ctx(context)
        self.tokens: list[int] = []
        self._last: Logits | None = None
        self._kept: dict[int, Logits] = {}
        self._checkpoint = -1
        self.decoded = 0  # tokens taken into the sequence, ever
        self.asked = 0  # tokens of questions, ever
        self.reading = (0, 0)  # of the tokens being fed, those in the sequence, and all

    def __len__(self) -> int:
        return len(self.tokens)

    def stop_if_asked(self) -> None:
        """Raises Interrupted if a stop was requested; also for calls that have nothing to compute."""
        if self._interrupt.is_set():
            raise Interrupted("Stopped.")

    def logits(self) -> Logits:
        """Logits (vocab,) after the last token; a view that the next growth overwrites. Never call it when empty."""
        if self._last is None:
            token = self.tokens[-1]
            self.rollback(len(self) - 1)
            self.feed([token])
        assert self._last is not None
        return self._last

    def feed(self, tokens: Sequence[int]) -> None:
        """Append tokens, in batches."""
        self._check_room(len(tokens))
        try:
            for start in range(0, len(tokens), MAX_BATCH):
                self.reading = start, len(tokens)
                self._append(tokens[start : start + MAX_BATCH], every=False)
        finally:
            self.reading = 0, 0

    def feed_reading(self, tokens: Sequence[int], question: Sequence[int] = ()) -> Iterator[Logits]:
        """Append tokens, yielding the logits (rows, vocab) after each, fewer than MAX_OUTPUTS rows at a time.

        With a question, a last single row are the logits after it, were it appended too; where the cache can roll back,
        it travels in the batch of the last tokens.
        """
        self._check_room(len(tokens) + len(question))
        for start in range(0, len(tokens), MAX_OUTPUTS - 1):
            chunk = tokens[start : start + MAX_OUTPUTS - 1]
            rides = self.partial and start + len(chunk) == len(tokens)
            after = question if rides else ()
            self._append(chunk, every=True, after=after)
            rows = self._rows(len(chunk) + bool(after))
            yield rows[: len(chunk)]
            if after:
                yield rows[len(chunk) :]
                return
        if question:
            yield self.ask(question)[np.newaxis]

    def ask(self, tokens: Sequence[int]) -> Logits:
        """Logits (vocab,) as they would be after `tokens`; the cache is left as it was. A view, like `logits`."""
        self._check_room(len(tokens))
        self.keep()
        start = len(self)
        sequence = _TEXT if self.partial else _SCRATCH
        if not self.partial:
            lib.llama_memory_seq_cp(self._memory, _TEXT, _SCRATCH, -1, -1)
        try:
            for offset in range(0, len(tokens), MAX_BATCH):
                self._decode(tokens[offset : offset + MAX_BATCH], start + offset, sequence)
            self.asked += len(tokens)
            return self._view()
        finally:
            self._last = self._kept[start]
            lib.llama_memory_seq_rm(self._memory, sequence, start if self.partial else -1, -1)

    def keep(self) -> None:
        """Keep a copy of the logits here for a later rollback to this position."""
        here = len(self)
        if here and here not in self._kept:
            self._kept[here] = self.logits().copy()
            for position in list(self._kept)[1:-_KEPT]:  # the first is the end of the prompt, where every run begins
                del self._kept[position]

    def checkpoint(self) -> None:
        """Make a rollback to this position cheap, on models that cannot roll back too."""
        self.keep()
        if not self.partial and self._checkpoint != len(self):
            lib.llama_memory_seq_rm(self._memory, _CHECKPOINT, -1, -1)
            lib.llama_memory_seq_cp(self._memory, _TEXT, _CHECKPOINT, -1, -1)
            self._checkpoint = len(self)

    def rollback(self, length: int, logits: Logits | None = None) -> None:
        """Drop all but the first `length` tokens; exact on every architecture. `logits` are those of that position."""
        if length == len(self):
            return
        again: list[int] = []
        if self.partial and length:
            if not lib.llama_memory_seq_rm(self._memory, _TEXT, length, -1):
                raise EngineError("llama.cpp could not roll the KV cache back.")
        else:
            lib.llama_memory_seq_rm(self._memory, _TEXT, -1, -1)
            start = self._checkpoint if 0 < self._checkpoint <= length else 0
            if start:
                lib.llama_memory_seq_cp(self._memory, _CHECKPOINT, _TEXT, -1, -1)
            again = self.tokens[start:length]
        logits = None if logits is None else logits.copy()
        self._truncate(length - len(again))
        self._last = self._last if logits is None else logits
        if again:
            self.feed(again)

    def close(self) -> None:
        """Free the batch and the thread; the engine frees the context."""
        self._worker.close()
        lib.llama_batch_free(self._batch)

    def _truncate(self, length: int) -> None:
        del self.tokens[length:]
        self._kept = {position: logits for position, logits in self._kept.items() if position <= length}
        self._last = self._kept.get(length)
        if self._checkpoint > length:
            # Its cells were shared with the text; on their own they would take up room in the context.
            lib.llama_memory_seq_rm(self._memory, _CHECKPOINT, -1, -1)
            self._checkpoint = -1

    def _append(self, tokens: Sequence[int], every: bool, after: Sequence[int] = ()) -> None:
        """Append tokens; those of `after` are decoded in the same batch and then dropped."""
        try:
            self._decode([*tokens, *after], len(self), _TEXT, len(tokens) if every else 0)
            if after:
                lib.llama_memory_seq_rm(self._memory, _TEXT, len(self) + len(tokens), -1)
        except (EngineError, Interrupted, KeyboardInterrupt):
            # An aborted decode may have stored some of its tokens: drop them, or all where a part cannot be dropped.
            start = len(self) if self.partial else 0
            lib.llama_memory_seq_rm(self._memory, _TEXT, start or -1, -1)
            self._truncate(start)
            raise
        self.tokens.extend(tokens)
        self.decoded += len(tokens)
        self.asked += len(after)
        self._last = self._rows(len(tokens))[-1] if every else self._view()

    def _rows(self, count: int) -> Logits:
        return np.ctypeslib.as_array(lib.llama_get_logits(self._context), shape=(count, self._vocab_size))

    def _view(self) -> Logits:
        pointer = lib.llama_get_logits_ith(self._context, -1)
        if not pointer:
            raise EngineError("llama.cpp returned no logits.")
        return np.ctypeslib.as_array(pointer, shape=(self._vocab_size,))

    def _decode(self, tokens: Sequence[int], position: int, sequence: int, outputs: int = 0) -> None:
        """One llama_decode of at most MAX_BATCH tokens; logits for the first `outputs` tokens and for the last."""
        self.stop_if_asked()
        count = len(tokens)
        ids, positions, flags = self._columns
        ids[:count] = tokens
        positions[:count] = np.arange(position, position + count)
        flags[:count] = 0
        flags[:outputs] = 1
        flags[count - 1] = 1
        if self._in_sequence != sequence:
            for sequence_id in self._sequence_ids:
                sequence_id[0] = sequence
            self._in_sequence = sequence
        self._batch.n_tokens = count
        if count <= _QUICK:
            code = lib.llama_decode(self._context, self._batch)
        else:
            code = self._worker.run(lambda: lib.llama_decode(self._context, self._batch))
        if code == 2 or (code and self._interrupt.is_set()):
            raise Interrupted("Stopped.")
        if code == 1:
            raise self._full()
        if code:
            raise EngineError(f"llama.cpp failed while reading {count} tokens (code {code}).")

    def _check_room(self, count: int) -> None:
        if len(self) + count > self.size:
            raise self._full()

    def _full(self) -> ContextFull:
        return ContextFull(
            f"The context of {self.size} tokens is full.", f"try a larger one: --context {self.size * 2}"
        )


def can_roll_back(context: object) -> bool:
    """Whether this context can drop the tail of a sequence, found by trying (as llama.cpp's own tools do).

    Sliding-window models can, because contexts are made with the full window cached (`swa_full`).
    """
    memory = lib.llama_get_memory(context)
    if not memory:
        raise EngineError("The model keeps no KV cache; confspec needs a model that generates text.")
    tokens = (ctypes.c_int32 * 2)(0, 0)
    if lib.llama_decode(context, lib.llama_batch_get_one(tokens, 2)):
        raise EngineError("llama.cpp failed on the first two tokens of this model.")
    able = bool(lib.llama_memory_seq_rm(memory, 0, 1, -1))
    lib.llama_memory_clear(memory, True)
    return able
