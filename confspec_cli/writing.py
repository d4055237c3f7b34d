"""Having a model write a stretch of text: its tokens as events, its boundary found, its likelihood summed up."""

from __future__ import annotations

import math
from collections.abc import Callable, Generator, Mapping
from contextlib import closing
from dataclasses import dataclass

from confspec_cli.engines.base import Engine, Prompt, Sampling
from confspec_cli.events import Event, StepOpened, StepWritten, TextWritten
from confspec_cli.steps import Splitter
from confspec_cli.trace import Author, Likelihood, Proposal


@dataclass(frozen=True, slots=True)
class Stretch:
    """What a model is to write as step `n`: on from `prompt`, at most `max_tokens`.

    It goes to the next step boundary or, when `whole`, to the end of the turn; before a token less likely than `stop`
    the writer stops, unsure. `provisional`: it may yet be rejected.
    """

    n: int
    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    provisional: bool = False
    whole: bool = False
    stop: float = 0.0


class Writer:
    """Has the models write, and follows their text for step boundaries; `clock` gives seconds."""

    def __init__(self, models: Mapping[Author, Engine], splitter: Splitter, clock: Callable[[], float]) -> None:
        self._models = models
        self._clock = clock
        self.splitter = splitter
        self.partial = ""
        """What the writer in charge has written of a stretch that is not yet committed."""

    def write(
        self, author: Author, stretch: Stretch, is_broken_off: Callable[[], bool]
    ) -> Generator[Event, None, Proposal]:
        """Write until the stretch is done, the model is, or `is_broken_off` says so between two tokens."""
        yield StepOpened(stretch.n, author, stretch.provisional)
        engine = self._models[author]
        began, first, ended = self._clock(), 0.0, False
        before, read = engine.tokens_read, 0
        texts: list[str] = []
        logprobs: list[float] = []
        entropies: list[float] = []
        agreed, guessed = 0, 0
        batches: list[int] = []
        floor = math.log(stretch.stop) if stretch.stop > 0 else -math.inf
        unsure = False
        tokens = engine.generate(stretch.prompt, stretch.sampling, stretch.max_tokens)
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
                guessed += token.guessed
                batches += [token.batch] if token.batch else []
                ended = token.ends
                if token.text:
                    texts.append(token.text)
                    if not stretch.provisional:
                        self.partial = "".join(texts)
                    yield TextWritten(stretch.n, author, token.text)
                if self.passes_boundary(token.text) and not stretch.whole:
                    break
                if is_broken_off():
                    break
            else:
                self.splitter.force()
        now = self._clock()
        proposal = Proposal(
            author=author,
            text="".join(texts),
            tokens=len(logprobs) - ended,
            ended=ended,
            likelihood=Likelihood.of(logprobs, agreed, entropies),
            seconds=now - began,
            prefill_seconds=(first or now) - began,
            prefill_tokens=read,
            unsure=unsure,
            guessed=guessed,
            batches=len(batches),
            batched=sum(batches),
        )
        yield StepWritten(stretch.n, proposal)
        return proposal

    def passes_boundary(self, text: str) -> bool:
        """Feed the splitter; a token is never cut, so what it carries past a boundary stays with the step."""
        end = self.splitter.feed(text)
        if end is None:
            return False
        while end is not None:
            text = text[end:]
            end = self.splitter.feed(text)
        return True
