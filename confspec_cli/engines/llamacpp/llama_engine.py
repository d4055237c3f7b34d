"""The Engine over llama.cpp: prompts become tokens, and the cache is brought to exactly those tokens.

What a model wrote itself is never tokenized again: what was said is matched against the cached tokens byte by byte,
segment by segment, in the open reply and in turns gone by; only what the other model wrote is new. A token this engine
generated is decoded alone, as plain generation would, so that verification changes no bit of what follows.
"""

from __future__ import annotations

import codecs
import copy
import math
from collections.abc import Generator, Mapping
from pathlib import Path

from confspec_cli.core.engine import ALL_POWERS, Engine, Interrupt
from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Speculation, Token
from confspec_cli.engines.llamacpp.cache import Cache, Logits
from confspec_cli.engines.llamacpp.decoder import Decoder
from confspec_cli.engines.llamacpp.native import lib, watch
from confspec_cli.engines.llamacpp.open_model import (
    Hardware,
    Progress,
    description,
    gpu_layers,
    load_model,
    metadata,
    open_context,
)
from confspec_cli.engines.llamacpp.sampler import Sampler, decide, greedy, weigh, weigh_each
from confspec_cli.engines.llamacpp.vocab import Vocab
from confspec_cli.engines.prompts.chat_template import ChatTemplate
from confspec_cli.engines.prompts.prompt_tokenizer import PromptTokenizer
from confspec_cli.errors import ContextFull

_utf8 = codecs.getincrementaldecoder("utf-8")


class LlamaCppEngine:
    """One GGUF model with one context. Not for two threads at once."""

    def __init__(self, path: Path, hardware: Hardware, interrupt: Interrupt, progress: Progress) -> None:
        self._context: object = None
        self._has_lent_weights = False
        self._made = path, hardware, interrupt
        self._model = load_model(path, hardware, interrupt, progress)
        try:
            self._vocab = Vocab(self._model)
            special, template = self._vocab.special_text, metadata(self._model, "tokenizer.chat_template")
            self._chat = ChatTemplate(path.name, template, special("bos"), special("eos"))
            self.spelling = PromptTokenizer(self._vocab, self._chat)
            self._open()
        except BaseException:
            self._free()
            raise
        self.powers = ALL_POWERS
        layers = gpu_layers(hardware)
        self.card = ModelCard(
            name=path.stem,
            file=path.name,
            bytes=lib.llama_model_size(self._model),
            context=self._cache.size,
            quant=description(self._model),
            gpu_layers=lib.llama_model_n_layer(self._model) + 1 if layers < 0 else layers,
            thinks=self._chat.thinks,
            thinking=self._chat.thinking,
        )

    def _open(self) -> None:
        """A context, and what belongs to it."""
        path, hardware, interrupt = self._made
        self._context, partial = open_context(self._model, path, hardware, interrupt)
        self._abort = watch(self._context, interrupt)
        self._cache = Cache(self._context, self._vocab.size, partial, interrupt)
        self._sampler = Sampler(self._vocab.size, self._vocab.pointer)
        self._given = 0  # tokens of the last prompt up to its open turn
        self._decoder = Decoder(self._cache, self._vocab.ends)

    def another(self) -> LlamaCppEngine:
        """An engine over the same weights with a KV cache of its own, to be closed before this one.

        Only one of them may be in use at a time. Raises OutOfMemoryError where its cache does not fit.
        """
        other = copy.copy(self)
        other._has_lent_weights = True
        other._context = None
        other._open()
        return other

    @property
    def tokens_read(self) -> int:
        """Tokens read so far; see Engine. A model that cannot roll back reads some of them again and again."""
        return self._cache.decoded - self._decoder.generated

    @property
    def reading(self) -> tuple[int, int]:
        """The prefill in progress; see Engine."""
        return self._cache.reading

    @property
    def verification_tokens(self) -> int:
        """Tokens of questions read so far."""
        return self._cache.asked

    def reset(self) -> None:
        """Empty the cache; see Engine."""
        self._decoder.rollback(0)

    def read(self, prompt: Prompt) -> None:
        """Bring the cache to exactly the prompt, its question aside, keeping the longest common prefix; see Engine."""
        self._read(prompt)

    def _read(self, prompt: Prompt, keeps_known: bool = False) -> int:
        """`read`; `keeps_known` leaves behind the prompt what this model is known to say next. The prompt's length."""
        self._cache.stop_if_asked()
        have = self._decoder.tokens
        kept, unread = self.spelling.compare(self.spelling.conversation(prompt), have, 0)
        self._given = kept + len(unread)
        if unread:
            new = self.spelling.spell(prompt.reply)
        else:
            kept, new = self.spelling.compare([prompt.reply], have, kept)
        if kept + len(unread) + len(new) > self._cache.size:
            raise ContextFull(
                f"{kept + len(unread) + len(new)} tokens do not fit in the context of {self._cache.size}.",
                f"try a larger one: --context {2 * self._cache.size}",
            )
        self._decoder.keep(kept, keeps_known and not unread and not new)
        self._decoder.prefill(unread, new)
        return kept + len(unread) + len(new)

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn; see Engine."""
        speculates = self._cache.partial and not sampling.grammar and sampling.speculation is not Speculation.OFF
        is_lasting = speculates and sampling.temperature <= 0  # what is decided once is decided for good
        here = self._read(prompt, keeps_known=is_lasting)
        known = self._decoder.known if is_lasting else {}
        speculation = sampling.speculation if speculates else Speculation.OFF
        if here not in known:
            self._cache.checkpoint()
        choose = self._sampler.start(sampling, here)
        decoder, reader = _utf8("replace"), self.spelling.reader()
        for _ in range(max_tokens):
            batch = 0
            if here not in known:
                decided, batch = self._decoder.decide(choose, speculation, self._given)
                known.update(decided)
            token, *_ = chosen = known[here]
            if token in self._vocab.ends:
                yield Token(decoder.decode(b"", final=True), *chosen[1:], ends=True, batch=batch)
                return
            is_there = here < len(self._cache)
            if not is_there:
                self._decoder.pending = [token]
            here += 1
            yield Token(decoder.decode(reader.feed(token)), *chosen[1:], speculated=is_there, batch=batch)

    def speculate_with(self, other: Engine | None) -> None:
        """Have another model propose tokens for this one; see Engine."""
        self._decoder.speculate_with(None)
        if isinstance(other, LlamaCppEngine) and self.card.bytes:
            self._decoder.speculate_with(
                lambda tokens, count: other._propose(tokens, count, self._vocab), other.card.bytes / self.card.bytes
            )

    def _propose(self, tokens: list[int], count: int, vocab: Vocab) -> list[int]:
        """What this model would write after `tokens`, for a model with that vocabulary if it is the same one."""
        if not vocab.begins_like(self._vocab) or max(tokens) >= self._vocab.size:
            return []
        return self._decoder.propose(tokens, count)

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probabilities of the labels as the next token; see Engine."""
        firsts = self.spelling.firsts(labels, self.card.name)
        self.read(prompt)
        logits = self._cache.ask(self._question(prompt)) if prompt.ask else self._cache.logits()
        return _probabilities(logits, firsts)

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """Read the continuation token by token; see Engine."""
        return self._score(prompt, continuation, ends, [])[0]

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Read the continuation and answer the question after it, in one batch where it fits; see Engine."""
        firsts = self.spelling.firsts(labels, self.card.name)
        tokens, answer = self._score(prompt, continuation, ends, self._question(prompt))
        return tokens, _probabilities(answer, firsts)

    def _question(self, prompt: Prompt) -> list[int]:
        return self.spelling.question(prompt.ask or "", prompt.prefill)

    def _score(self, prompt: Prompt, continuation: str, ends: bool, question: list[int]) -> tuple[list[Token], Logits]:
        """The continuation's tokens as read, and the logits after the question."""
        self.read(prompt)
        self._cache.checkpoint()
        tokens = self.spelling.marks.tokenize(continuation)
        start = len(self._cache)
        decoder, reader = _utf8("replace"), self.spelling.reader()
        scored: list[Token] = []

        def note(row: Logits, token: int, weight: tuple[float, bool, float]) -> None:
            self._decoder.known[start + len(scored)] = (token, *weight) if weight[1] else decide(greedy, row)
            scored.append(Token(decoder.decode(reader.feed(token)), *weight))

        logits = self._cache.logits()
        for token in tokens[:1]:
            note(logits, token, weigh(logits, token))
        assessments = self._cache.feed_reading(tokens, question)
        read = 0
        while read < len(tokens):
            rows = next(assessments)
            known = tokens[len(scored) : len(scored) + len(rows)]
            for row, token, weight in zip(rows, known, weigh_each(rows, known), strict=False):
                note(row, token, weight)
            read += len(rows)
            logits = rows[-1]
        if ends:
            best = max(self._vocab.ends, key=lambda end: float(logits[end]))
            scored.append(Token("", *weigh(logits, best), ends=True))
        return scored, next(assessments)[0] if question else logits

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt, tokenized afresh."""
        ask = self._question(prompt) if prompt.ask else []
        return sum(len(self.spelling.spell(part)) for part in (*self.spelling.conversation(prompt), prompt.reply, ask))

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
        if self._model and not self._has_lent_weights:
            lib.llama_model_free(self._model)
        self._model = None


def _probabilities(logits: Logits, firsts: dict[str, int]) -> dict[str, float]:
    return {label: math.exp(weigh(logits, first)[0]) for label, first in firsts.items()}
