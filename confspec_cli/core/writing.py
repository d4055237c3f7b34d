"""Having a model write a step: its tokens become events, its boundary is found, its likelihood summed up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace

from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event, StepOpened, StepWritten, TextWritten
from confspec_cli.core.messages import Prompt, Sampling, Token
from confspec_cli.core.steps import Splitter
from confspec_cli.core.trace import Author, Likelihood, WrittenStep


@dataclass(frozen=True, slots=True)
class GenerationRequest:
    """What a model is to write as step `n`, continuing `prompt` by at most `max_tokens`.

    It writes to the step boundary or, if `whole`, to the end of its turn, and stops, unsure, before a token less likely
    than `min_token_prob`. `prefix`, the end of `prompt`, is the beginning of the step and stands already.
    `provisional`: what it writes may yet be rejected.
    """

    n: int
    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    provisional: bool = False
    whole: bool = False
    min_token_prob: float = 0.0
    prefix: str = ""

    @property
    def min_logprob(self) -> float:
        """The natural log of `min_token_prob`."""
        return math.log(self.min_token_prob) if self.min_token_prob > 0 else -math.inf


class Writer:
    """Has the models write, and follows their text for step boundaries; `clock` gives seconds."""

    def __init__(
        self,
        models: Mapping[Author, Engine],
        splitter: Splitter,
        clock: Callable[[], float],
    ) -> None:
        self._models = models
        self._clock = clock
        self.splitter = splitter
        self._before = splitter
        self.partial = ""
        """What has been written for good of a step that is not yet committed."""
        self.partial_tokens = 0
        self.partial_author: Author | None = None

    def write(
        self, author: Author, request: GenerationRequest, is_broken_off: Callable[[], bool] = lambda: False
    ) -> Generator[Event, None, WrittenStep]:
        """Write until the step or the turn ends, the tokens are used up, or `is_broken_off` between two tokens."""
        yield StepOpened(request.n, author, request.provisional)
        self._before = self.splitter.copy()
        self.splitter.passes(request.prefix)
        self.partial = "" if request.provisional else request.prefix
        self.partial_tokens, self.partial_author = 0, author
        tokens = self._generate(author, request)
        engine, written, unsure = self._models[author], list[Token](), False
        began, first, read_before, read = self._clock(), 0.0, engine.tokens_read, 0
        with closing(tokens):
            for token in tokens:
                if not first:
                    first, read = self._clock(), engine.tokens_read - read_before
                if token.logprob < request.min_logprob:
                    unsure = True
                    break
                written.append(token)
                self.partial_tokens += not request.provisional
                if token.text:
                    self.partial += "" if request.provisional else token.text
                    yield TextWritten(request.n, author, token.text)
                if (self.splitter.passes(token.text) and not request.whole) or is_broken_off():
                    break
            else:
                self.splitter.force()
        now = self._clock()
        step = replace(
            _summed_up(author, written),
            seconds=now - began,
            prefill_seconds=(first or now) - began,
            prefill_tokens=read,
            unsure=unsure,
        )
        yield StepWritten(request.n, step)
        return step

    def take_back(self) -> None:
        """Forget what was written last: the next step begins where that one did."""
        self.splitter = self._before

    def _generate(self, author: Author, request: GenerationRequest) -> Generator[Token, None, None]:
        sampling = replace(request.sampling, seed=_seed_of(author, request.sampling.seed))
        return self._models[author].generate(request.prompt, sampling, request.max_tokens)


def _seed_of(author: Author, seed: int) -> int:
    """A model's own seed: with one for both, the target would draw again what the draft has drawn."""
    return random.Random(f"{author.value} {seed}").getrandbits(32)


def _summed_up(author: Author, tokens: Sequence[Token]) -> WrittenStep:
    ended = bool(tokens) and tokens[-1].ends
    agreed = sum(token.is_argmax for token in tokens)
    batches = [token.batch for token in tokens if token.batch]
    return WrittenStep(
        author=author,
        text="".join(token.text for token in tokens),
        tokens=len(tokens) - ended,
        ended=ended,
        likelihood=Likelihood.of([token.logprob for token in tokens], agreed, [token.entropy for token in tokens]),
        seconds=0.0,
        prefill_seconds=0.0,
        speculation_accepted=sum(token.speculated for token in tokens),
        speculation_batches=len(batches),
        speculation_batch_tokens=sum(batches),
    )
