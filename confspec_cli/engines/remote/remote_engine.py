"""The Engine over a server: prompts become tokens here, and the server keeps their prefix.

What the model wrote itself is never tokenized again, and what others wrote never becomes a control token. Reading ahead
costs a round trip and is left out: the next call reads what is new.
"""

from __future__ import annotations

import codecs
from collections.abc import Callable, Generator, Mapping
from contextlib import AbstractContextManager

from confspec_cli.core.engine import Engine, Interrupt, Power
from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token
from confspec_cli.core.price import Usage
from confspec_cli.engines.prompts.chat_template import ChatTemplate
from confspec_cli.engines.prompts.prompt_tokenizer import PromptTokenizer
from confspec_cli.engines.remote.connection import Connection
from confspec_cli.engines.remote.dialect import Dialect, RemoteToken, ScoringDialect
from confspec_cli.engines.remote.spec import short
from confspec_cli.errors import ContextFull, EngineError, Interrupted


class RemoteEngine:
    """One model behind a server, which has these powers and a sentence for each it lacks. Not for two threads."""

    def __init__(
        self,
        dialect: Dialect,
        powers: frozenset[Power],
        missing: tuple[str, ...],
        connection: Connection,
        interrupt: Interrupt,
    ) -> None:
        served = dialect.served
        self._dialect = dialect
        self.notices = connection.notices
        self._connection = connection
        self._interrupt = interrupt
        self._chat = ChatTemplate(served.model, served.template, served.bos, served.eos)
        self._spelling = PromptTokenizer(dialect.vocabulary, self._chat)
        self._have: list[int] = []  # the tokens that the server has read or written last
        self._stream: Generator[RemoteToken, None, None] | None = None
        self.tokens_read = 0
        self.reading = (0, 0)  # a server does not say
        self.verification_tokens = 0
        self.usage = Usage()
        self.powers = powers
        self.missing = missing
        self.card = ModelCard(
            name=short(served.model),
            file="",
            bytes=served.bytes,
            context=served.context,
            quant=served.quant,
            thinks=self._chat.thinks,
            thinking=self._chat.thinking,
            server=f"{served.kind} {connection.base}",
            identity=served.identity,
        )

    def pause_within(self, pausing: Callable[[], AbstractContextManager[None]]) -> None:
        """Have every wait that a busy server asks for happen within such a context."""
        self._connection.pausing = pausing

    def reset(self) -> None:
        """Have the next call read its whole prompt; see Engine."""
        self._let_go()
        self._have = []
        self._dialect.forget()

    def read(self, prompt: Prompt) -> None:
        """Check that the prompt fits; see Engine."""
        self._let_go()
        self._fit(self._tokens(prompt)[0])

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn; see Engine."""
        tokens = self._bring(prompt)
        room = self.card.context - len(tokens)
        if room < 1:
            raise self._full(len(tokens) + 1)
        self._have = tokens
        decoder, reader = codecs.getincrementaldecoder("utf-8")("replace"), self._spelling.reader()
        unpaid = len(tokens)  # by what answers at all
        self._stream = stream = self._dialect.complete(tokens.copy(), sampling.at(len(tokens)), min(max_tokens, room))
        try:
            for token in stream:
                self.usage, unpaid = self.usage.plus(unpaid, max(len(token.ids), 1)), 0
                if token.ends:
                    text = decoder.decode(b"", final=True)
                else:
                    self._have += token.ids
                    text = decoder.decode(b"".join(map(reader.feed, token.ids)))
                yield Token(text, token.logprob, token.is_argmax, ends=token.ends)
                if token.ends:
                    return
        finally:
            stream.close()
        if len(self._have) == self.card.context and room < max_tokens:
            raise self._full(len(self._have) + 1)

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probabilities of the labels as the next token; see Engine."""
        firsts = self._spelling.firsts(labels, self.card.name)
        tokens = self._bring(prompt)
        question = self._question(prompt)
        self._fit([*tokens, *question])
        found = self._dialect.next_probs([*tokens, *question], list(firsts.values()))
        self.usage = self.usage.plus(len(tokens) + len(question), 1)
        self.verification_tokens += len(question)
        return {label: found[first] for label, first in firsts.items()}

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """Have the server read the continuation token by token; see Engine."""
        return self._score(prompt, continuation, ends, {})[0]

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Have the server read the continuation and answer the question after it; see Engine."""
        return self._score(prompt, continuation, ends, self._spelling.firsts(labels, self.card.name))

    def _score(
        self, prompt: Prompt, continuation: str, ends: bool, firsts: Mapping[str, int]
    ) -> tuple[list[Token], Mapping[str, float]]:
        if Power.SCORE not in self.powers or not isinstance(self._dialect, ScoringDialect):
            raise EngineError(f"{self.card.name} on {self.card.server} cannot score a step it did not write.")
        before = self.tokens_read
        tokens, step = self._bring(prompt), self._spelling.marks.tokenize(continuation)
        question = self._question(prompt) or (self._spelling.question("-")[:1] if ends else [])
        self._fit([*tokens, *step, *question])
        start, stop = len(tokens), len(tokens) + len(step)
        # What closes the turn for the question is what the model would have ended it with.
        wanted = [firsts[label] for label in firsts]
        scored, found = self._dialect.score([*tokens, *step, *question], start, stop + ends, wanted)
        self.usage = self.usage.plus(len(tokens) + len(step) + len(question), 1)
        self.tokens_read = before + self._dialect.tokens_read - len(question)
        self.verification_tokens += len(question)
        decoder, reader = codecs.getincrementaldecoder("utf-8")("replace"), self._spelling.reader()
        said = [
            Token(decoder.decode(b"".join(map(reader.feed, one.ids))), one.logprob, one.is_argmax)
            for one in scored[: stop - start]
        ]
        said += [Token("", one.logprob, one.is_argmax, ends=True) for one in scored[stop - start :]]
        return said, {label: found[first] for label, first in firsts.items()}

    def ping(self) -> None:
        """Exchange the smallest message with the server."""
        self._let_go()
        self._dialect.ping()

    def count(self, prompt: Prompt) -> int:
        """Tokens of the prompt, tokenized afresh."""
        parts = (*self._spelling.conversation(prompt), prompt.reply, self._question(prompt))
        return sum(len(self._spelling.spell(part)) for part in parts)

    def speculate_with(self, other: Engine | None) -> None:
        """Do nothing: a server speculates by itself, if it was started so."""

    def close(self) -> None:
        """Let go of the server; see Engine."""
        self._let_go()
        self._dialect.close()

    def _tokens(self, prompt: Prompt) -> tuple[list[int], int]:
        """The tokens of a prompt, its question aside, and how many of them the server knows already."""
        if self._interrupt.is_set():
            raise Interrupted("Stopped.")
        parts = [*self._spelling.conversation(prompt), prompt.reply]
        kept, unread = self._spelling.compare(parts, self._have, 0)
        return [*self._have[:kept], *unread], kept

    def _bring(self, prompt: Prompt) -> list[int]:
        """The tokens of a prompt, which the next request has the server read."""
        self._let_go()
        tokens, known = self._tokens(prompt)
        self._fit(tokens)
        self.tokens_read += len(tokens) - known
        self._have = tokens
        return tokens

    def _question(self, prompt: Prompt) -> list[int]:
        return self._spelling.question(prompt.ask, prompt.prefill) if prompt.ask else []

    def _fit(self, tokens: list[int]) -> None:
        if len(tokens) > self.card.context:
            raise self._full(len(tokens))

    def _full(self, count: int) -> ContextFull:
        return ContextFull(
            f"{count} tokens do not fit in the context of {self.card.context} that {self.card.name} is served with.",
            "serve it with a larger context",
        )

    def _let_go(self) -> None:
        """End a reply that nobody reads any more, so that the server is free."""
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
