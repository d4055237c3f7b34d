"""The Engine over llama.cpp: prompts become tokens, and the cache is brought to exactly those tokens.

What a model wrote itself is never tokenized again: what was said is matched against the cached tokens byte by byte,
segment by segment, in the open reply and in turns gone by; only what the other model wrote is new. A token this engine
generated is decoded alone, as plain generation would, so that verification changes no bit of what follows.
"""

from __future__ import annotations

import codecs
import ctypes
import math
from collections.abc import Generator, Mapping
from pathlib import Path

from confspec_cli.engines.base import Interrupt, ModelCard, Prompt, Sampling, Token
from confspec_cli.engines.llamacpp.cache import Cache, Logits
from confspec_cli.engines.llamacpp.chat import Chat, Piece
from confspec_cli.engines.llamacpp.loading import Hardware, Progress, gpu_layers, load_model, metadata, open_context
from confspec_cli.engines.llamacpp.native import lib, watch
from confspec_cli.engines.llamacpp.sampler import Sampler, weigh
from confspec_cli.engines.llamacpp.vocab import Vocab
from confspec_cli.errors import ContextFull, EngineError

Part = list[int] | tuple[str, ...]
"""Of a prompt: tokens that are what they are, or segments a model said, which may be cached as other tokens."""


class LlamaCppEngine:
    """One GGUF model with one context. Not for two threads at once."""

    def __init__(self, path: Path, hardware: Hardware, interrupt: Interrupt, progress: Progress) -> None:
        self._context: object = None
        self._model = load_model(path, hardware, interrupt, progress)
        try:
            self._vocab = Vocab(self._model)
            template = metadata(self._model, "tokenizer.chat_template")
            special = self._vocab.special_text
            self._chat = Chat(path.name, template, special("bos"), special("eos"))
            self._context, partial = open_context(self._model, path, hardware, interrupt)
        except BaseException:
            self._free()
            raise
        self._abort = watch(self._context, interrupt)
        self._cache = Cache(self._context, self._vocab.size, partial, interrupt)
        self._sampler = Sampler(self._vocab.size, self._vocab.pointer)
        self._pending: list[int] = []  # the last token generated, not yet in the cache
        self._head: tuple[object, list[Part]] = (None, [])
        self._written = 0  # of the tokens in the cache, ever
        layers = gpu_layers(hardware)
        self.card = ModelCard(
            name=path.stem,
            file=path.name,
            bytes=lib.llama_model_size(self._model),
            context=self._cache.size,
            quant=_description(self._model),
            gpu_layers=lib.llama_model_n_layer(self._model) + 1 if layers < 0 else layers,
            thinks=self._chat.thinks,
        )

    @property
    def tokens_read(self) -> int:
        """Tokens read so far; see Engine. A model that cannot roll back reads some of them again and again."""
        return self._cache.decoded - self._written

    @property
    def tokens_asked(self) -> int:
        """Tokens of questions read so far."""
        return self._cache.asked

    def forget(self) -> None:
        """Empty the cache; see Engine."""
        self._pending = []
        self._cache.rollback(0)

    def read(self, prompt: Prompt) -> None:
        """Bring the cache to exactly the prompt, its question aside, keeping the longest common prefix; see Engine."""
        self._cache.stop_if_asked()
        have = [*self._cache.tokens, *self._pending]
        kept, unread = self._compare(self._conversation(prompt), have, 0)
        if unread:
            new = self._spell(prompt.reply)
        else:
            kept, new = self._compare([prompt.reply], have, kept)
        if kept + len(unread) + len(new) > self._cache.size:
            raise ContextFull(
                f"{kept + len(unread) + len(new)} tokens do not fit in the context of {self._cache.size}.",
                f"try a larger one: --context {2 * self._cache.size}",
            )
        if kept > len(self._cache):
            self._feed_pending()
        self._pending = []
        self._cache.rollback(kept)
        if unread:
            self._cache.feed(unread)
            self._cache.keep()
        self._cache.feed(new)

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn; see Engine."""
        self.read(prompt)
        self._cache.checkpoint()
        choose = self._sampler.start(sampling, len(self._cache))
        decoder = _decoder()
        for _ in range(max_tokens):
            self._feed_pending()
            logits = self._cache.logits()
            token = choose(logits)
            weight = weigh(logits, token)
            if token in self._vocab.ends:
                yield Token(decoder.decode(b"", final=True), *weight, ends=True)
                return
            self._pending = [token]
            yield Token(decoder.decode(self._vocab.piece(token)), *weight)

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probabilities of the labels as the next token; see Engine."""
        firsts = self._firsts(labels)
        self.read(prompt)
        logits = self._cache.ask(self._question(prompt.ask)) if prompt.ask else self._cache.logits()
        return _probabilities(logits, firsts)

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """Read the continuation token by token; see Engine."""
        return self._score(prompt, continuation, ends, [])[0]

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Read the continuation and answer the question after it, in one batch where it fits; see Engine."""
        firsts = self._firsts(labels)
        tokens, answer = self._score(prompt, continuation, ends, self._question(prompt.ask or ""))
        return tokens, _probabilities(answer, firsts)

    def _score(self, prompt: Prompt, continuation: str, ends: bool, question: list[int]) -> tuple[list[Token], Logits]:
        """The continuation's tokens as read, and the logits after the question."""
        self.read(prompt)
        self._cache.checkpoint()
        tokens = self._vocab.tokenize(continuation, special=False)
        decoder = _decoder()
        scored: list[Token] = []

        def note(row: Logits, token: int) -> None:
            scored.append(Token(decoder.decode(self._vocab.piece(token)), *weigh(row, token)))

        logits = self._cache.logits()
        for token in tokens[:1]:
            note(logits, token)
        readings = self._cache.feed_reading(tokens, question)
        read = 0
        while read < len(tokens):
            rows = next(readings)
            for row, token in zip(rows, tokens[len(scored) :], strict=False):
                note(row, token)
            read += len(rows)
            logits = rows[-1]
        if ends:
            best = max(self._vocab.ends, key=lambda end: float(logits[end]))
            scored.append(Token("", *weigh(logits, best), ends=True))
        return scored, next(readings)[0] if question else logits

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt, tokenized afresh."""
        ask = self._question(prompt.ask) if prompt.ask else []
        return sum(len(self._spell(part)) for part in (*self._conversation(prompt), prompt.reply, ask))

    def close(self) -> None:
        """Free everything; the model is gone."""
        if self._context:
            self._sampler.close()
            self._cache.close()
        self._free()

    def _free(self) -> None:
        if self._context:
            lib.llama_free(self._context)
            self._context = None
        if self._model:
            lib.llama_model_free(self._model)
            self._model = None

    def _compare(self, parts: list[Part], have: list[int], position: int) -> tuple[int, list[int]]:
        """Where the tokens from `position` on stop being the parts, and the tokens that are still to be read."""
        for index, part in enumerate(parts):
            if isinstance(part, tuple):
                whole = 0
                for segment in part:
                    end = self._spelled(segment.encode(), have, position)
                    if end is None:
                        break
                    position, whole = end, whole + 1
                unread = self._spell(part[whole:])
            else:
                same = _common(part, have[position : position + len(part)])
                position, unread = position + same, part[same:]
            if unread:
                return position, unread + [token for rest in parts[index + 1 :] for token in self._spell(rest)]
        return position, []

    def _spelled(self, text: bytes, have: list[int], position: int) -> int | None:
        """The end of the tokens from `position` on that spell exactly `text`, or None if they spell something else."""
        read = 0
        while read < len(text):
            if position == len(have):
                return None
            piece = self._vocab.piece(have[position])
            if not text.startswith(piece, read):
                return None
            position, read = position + 1, read + len(piece)
        return position

    def _spell(self, part: Part) -> list[int]:
        """Tokens of a part; each segment of what a model said by itself."""
        if isinstance(part, tuple):
            return [token for segment in part for token in self._vocab.tokenize(segment, special=False)]
        return part

    def _conversation(self, prompt: Prompt) -> list[Part]:
        """The parts of a conversation up to its open turn."""
        key = (prompt.messages, prompt.think)
        if self._head[0] != key:
            parts = self._parts(self._chat.conversation(prompt.messages, prompt.think))
            begin = self._vocab.begin()
            if begin and parts[0][:1] != begin:
                parts.insert(0, begin)
            self._head = (key, parts)
        return self._head[1]

    def _parts(self, pieces: list[Piece]) -> list[Part]:
        return [
            (piece.text,) if piece.role == "assistant" else self._vocab.tokenize(piece.text, special=not piece.role)
            for piece in pieces
        ]

    def _firsts(self, labels: tuple[str, ...]) -> dict[str, int]:
        firsts = {label: self._vocab.tokenize(label, special=False)[0] for label in labels}
        if len(set(firsts.values())) != len(labels):
            raise EngineError(
                f"{self.card.name} cannot tell the labels {', '.join(labels)} apart by their first token."
            )
        return firsts

    def _question(self, text: str) -> list[int]:
        return [token for part in self._parts(self._chat.question(text)) for token in self._spell(part)]

    def _feed_pending(self) -> None:
        if self._pending:
            token, self._pending = self._pending, []
            self._cache.feed(token)
            self._written += 1


def _common(one: list[int], other: list[int]) -> int:
    return next((i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _probabilities(logits: Logits, firsts: dict[str, int]) -> dict[str, float]:
    return {label: math.exp(weigh(logits, first)[0]) for label, first in firsts.items()}


def _decoder() -> codecs.IncrementalDecoder:
    return codecs.getincrementaldecoder("utf-8")("replace")


def _description(model: object) -> str:
    buffer = ctypes.create_string_buffer(128)
    lib.llama_model_desc(model, buffer, 128)
    return buffer.value.decode("utf-8", "replace")
