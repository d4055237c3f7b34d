"""An engine that says what it was told to: for tests, demonstrations and the proof that the cascade needs no weights.

It writes a fixed text word by word, continuing from wherever the reply stands, whoever wrote what stands there.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from confspec_cli.core.engine import ALL_POWERS, Engine, Interrupt, Power
from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token
from confspec_cli.errors import ContextFull, Interrupted

CARD = ModelCard(name="scripted", file="", bytes=0, context=4096)


@dataclass(slots=True)
class ScriptedEngine:
    """Writes `segments` in order: with k segments in the reply it writes segment k, then k + 1, until they run out.

    `labels` answers `label_probs` from the text last said; `likelihood` gives the log-probability of every token of a
    text. Tokens are words with the white space that follows them. Every call is noted in `calls`.
    """

    segments: Sequence[str]
    labels: Callable[[str], Mapping[str, float]] = lambda _: {"Yes": 0.9, "No": 0.1}
    likelihood: Callable[[str], float] = lambda _: math.log(0.9)
    card: ModelCard = CARD
    interrupt: Interrupt = field(default_factory=Interrupt)
    calls: list[str] = field(default_factory=list)
    tokens_read: int = 0
    reading: tuple[int, int] = (0, 0)
    verification_tokens: int = 0
    powers: frozenset[Power] = ALL_POWERS
    _known: list[str] = field(default_factory=list)  # the words a cache would hold

    def reset(self) -> None:
        """Know no words any more."""
        self._known = []

    def speculate_with(self, other: Engine | None) -> None:
        """Do nothing: the script is known."""

    def read(self, prompt: Prompt) -> None:
        """Catch up."""
        self._check(prompt, "read")

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Write on from the segment the reply has come to."""
        del sampling
        self._check(prompt, "generate")
        for written, text in enumerate(_words("".join(self.segments[len(prompt.reply) :]))):
            self._check(prompt, "")
            if written == max_tokens:
                return
            self._known += text.split()
            yield Token(text, self.likelihood(text))
        yield Token("", self.likelihood(""), ends=True)

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Answer from the script; labels it does not name get nothing."""
        self._check(prompt, "label_probs")
        self.verification_tokens += len((prompt.ask or "").split())
        given = self.labels(prompt.reply[-1] if prompt.reply else "")
        return {label: given.get(label, 0.0) for label in labels}

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """The scripted likelihood of each word."""
        self._check(prompt, "score")
        self._read(_said(prompt) + continuation.split())
        tokens = [Token(text, self.likelihood(text)) for text in _words(continuation)]
        return [*tokens, Token("", self.likelihood(""), ends=True)] if ends else tokens

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Both readings, one after the other."""
        after = replace(prompt, reply=(*prompt.reply, continuation))
        return self.score(prompt, continuation, ends), self.label_probs(after, labels)

    def count(self, prompt: Prompt) -> int:
        """Words in the prompt."""
        return len(_said(prompt)) + len((prompt.ask or "").split())

    def close(self) -> None:
        """Nothing to free."""

    def _check(self, prompt: Prompt, call: str) -> None:
        if call:
            self.calls.append(call)
        if self.interrupt.is_set():
            raise Interrupted("Stopped.")
        if self.count(prompt) > self.card.context:
            raise ContextFull(f"The context of {self.card.context} tokens is full.")
        if call:
            self._read(_said(prompt))

    def _read(self, words: list[str]) -> None:
        """Keep what is known of the beginning, read the rest."""
        pairs = zip(words, self._known, strict=False)
        same = next((i for i, (word, known) in enumerate(pairs) if word != known), min(len(words), len(self._known)))
        self.tokens_read += len(words) - same
        self._known = words


def _said(prompt: Prompt) -> list[str]:
    texts = (*(message.content for message in prompt.messages), *prompt.reply)
    return [word for text in texts for word in text.split()]


def _words(text: str) -> list[str]:
    return re.findall(r"\s*\S+\s*", text)
