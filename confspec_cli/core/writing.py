"""Having a model write a stretch of text: its tokens as events, its boundary found, its likelihood summed up."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass

from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event, StepOpened, StepWritten, TextWritten
from confspec_cli.core.messages import Prompt, Sampling
from confspec_cli.core.prefetch import Prefetch
from confspec_cli.core.steps import Splitter
from confspec_cli.core.trace import Author, Likelihood, WrittenStep


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a model is to write as step `n`: on from `prompt`, at most `max_tokens`.

    It goes to the next step boundary or, when `whole`, to the end of the turn; before a token less likely
    than `min_token_prob` the writer stops, unsure. `provisional`: it may yet be rejected.
    """

    n: int
    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    provisional: bool = False
    whole: bool = False
    min_token_prob: float = 0.0

    @property
    def floor(self) -> float:
        """The natural log of `min_token_prob`."""
        return math.log(self.min_token_prob) if self.min_token_prob > 0 else -math.inf


class Writer:
    """Has the models write, and follows their text for step boundaries; `clock` gives seconds."""

    def __init__(self, models: Mapping[Author, Engine], splitter: Splitter, clock: Callable[[], float]) -> None:
        self._models = models
        self._clock = clock
        self._ahead: Prefetch | None = None
        self.splitter = splitter
        self.partial = ""
        """What the writer in charge has written of a stretch that is not yet committed."""

    def ahead(self, stretch: GenerationRequest) -> AbstractContextManager[None]:
        """While this holds the draft begins the stretch, at most to its boundary; the next `write` takes it up."""
        tokens = self._models[Author.DRAFT].generate(stretch.prompt, stretch.sampling, stretch.max_tokens)
        self._ahead = Prefetch(stretch.n, stretch.prompt, tokens, self._clock)
        splitter = self.splitter.copy()
        return self._ahead.writing(lambda token: token.logprob < stretch.floor or splitter.passes(token.text))

    def drop_ahead(self) -> Iterator[Event]:
        """Throw away what was begun and not taken up."""
        ahead, self._ahead = self._ahead, None
        if ahead:
            ahead.close()
            yield ahead.told()

    def write(
        self, author: Author, stretch: GenerationRequest, is_broken_off: Callable[[], bool]
    ) -> Generator[Event, None, WrittenStep]:
        """Write until the stretch is done, the model is, or `is_broken_off` says so between two tokens."""
        if self._ahead and (author is Author.TARGET or self._ahead.prompt != stretch.prompt):
            yield from self.drop_ahead()
        ahead, self._ahead = self._ahead, None
        yield StepOpened(stretch.n, author, stretch.provisional)
        engine = self._models[author]
        began, first, ended = self._clock(), 0.0, False
        before, read = engine.tokens_read, 0
        texts: list[str] = []
        logprobs: list[float] = []
        entropies: list[float] = []
        agreed, speculated = 0, 0
        batches: list[int] = []
        floor, unsure = stretch.floor, False
        count = stretch.max_tokens
        tokens = ahead.tokens(count) if ahead else engine.generate(stretch.prompt, stretch.sampling, count)
        with closing(tokens):
            for token in tokens:
                if not first:
                    first, read = self._clock(), engine.tokens_read - before
                if token.logprob < floor:
                    unsure = True
                    break
                logprobs.append(token.logprob)
                entropies.append(token.entropy)
                agreed += token.is_argmax
                speculated += token.speculated
                batches += [token.batch] if token.batch else []
                ended = token.ends
                if token.text:
                    texts.append(token.text)
                    if not stretch.provisional:
                        self.partial = "".join(texts)
                    yield TextWritten(stretch.n, author, token.text)
                if self.splitter.passes(token.text) and not stretch.whole:
                    break
                if is_broken_off():
                    break
            else:
                self.splitter.force()
        now = self._clock()
        if ahead:
            yield ahead.told(len(logprobs))
        written_step = WrittenStep(
            author=author,
            text="".join(texts),
            tokens=len(logprobs) - ended,
            ended=ended,
            likelihood=Likelihood.of(logprobs, agreed, entropies),
            seconds=now - began,
            prefill_seconds=(first or now) - began,
            prefill_tokens=read,
            unsure=unsure,
            speculation_accepted=speculated,
            speculation_batches=len(batches),
            speculation_batch_tokens=sum(batches),
        )
        yield StepWritten(stretch.n, written_step)
        return written_step
