"""Having a model write a step: its tokens become events, its boundary is found, its likelihood summed up."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from inspect import GEN_CLOSED, getgeneratorstate
from itertools import islice

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
    `provisional`: what it writes may yet be rejected. `goes_on`: so many tokens in all it may be asked for, one step
    after the other, if nobody else writes in between.
    """

    n: int
    prompt: Prompt
    sampling: Sampling
    max_tokens: int
    provisional: bool = False
    whole: bool = False
    min_token_prob: float = 0.0
    prefix: str = ""
    goes_on: int = 0

    @property
    def min_logprob(self) -> float:
        """The natural log of `min_token_prob`."""
        return math.log(self.min_token_prob) if self.min_token_prob > 0 else -math.inf


@dataclass(frozen=True, slots=True)
class _Stream:
    """What a model on a server is still writing, from the end of this prompt on."""

    author: Author
    prompt: Prompt
    sampling: Sampling
    tokens: Generator[Token, None, None]


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
        self._stream: _Stream | None = None
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
        engine, written, unsure = self._models[author], list[Token](), False
        began, first, read_before, read = self._clock(), 0.0, engine.tokens_read, 0
        with self._tokens(author, request, written) as tokens:
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

    def close(self) -> None:
        """Stop what a server is still writing."""
        stream, self._stream = self._stream, None
        if stream:
            stream.tokens.close()

    @contextmanager
    def _tokens(
        self, author: Author, request: GenerationRequest, written: Sequence[Token]
    ) -> Iterator[Iterator[Token]]:
        """The tokens of a step. A server that may write the next one too goes on in one stream, and is asked once."""
        sampling = replace(request.sampling, seed=_seed_of(author, request.sampling.seed))
        known, self._stream = self._stream, None
        if known and (known.author, known.prompt, known.sampling) == (author, request.prompt, sampling):
            tokens = known.tokens
        else:
            if known:
                known.tokens.close()
            most = max(request.goes_on if self._is_far(author) else 0, request.max_tokens)
            tokens = self._models[author].generate(request.prompt, sampling, most)
        is_over = True
        try:
            yield islice(tokens, request.max_tokens)
            goes_on = request.goes_on and self._is_far(author) and getgeneratorstate(tokens) != GEN_CLOSED
            is_over = not goes_on or any(token.ends for token in written[-1:])
        finally:
            if is_over:
                tokens.close()
            else:
                said = "".join(token.text for token in written)
                prompt = replace(request.prompt, reply=(*request.prompt.reply, *filter(None, [said])))
                self._stream = _Stream(author, prompt, sampling, tokens)

    def _is_far(self, author: Author) -> bool:
        return bool(self._models[author].card.server)


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
