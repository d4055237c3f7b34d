"""What the algorithm is compared with: one model that writes alone, SpecReason, and a gate that decides by chance."""

from __future__ import annotations

import random
from collections.abc import Generator

from confspec_cli.core.cascade import Cascade
from confspec_cli.core.events import Event, StepJudged
from confspec_cli.core.gate import Decision, Gate, Signal, confidence_of, gate_target
from confspec_cli.core.outcome import Outcome
from confspec_cli.core.prompts import RATING_THRESHOLD
from confspec_cli.core.trace import Author, Cause, DropReason, Origin, Step, WrittenStep
from confspec_cli.core.writing import GenerationRequest

_RATED = Gate(Signal.VERDICT, target=RATING_THRESHOLD, min_label_mass=0.0)


class Alone(Cascade):
    """One model writes, and nobody verifies: a baseline, and what the cascade falls back on."""

    def write(self, author: Author, cause: Cause | None, max_tokens: int) -> Generator[Event, None, Step]:
        """The next step by that author, not yet committed; `cause` says why, where the mode does not."""
        n = self.transcript.n
        left = self.config.max_tokens - self.transcript.tokens
        request = GenerationRequest(n, self.transcript.so_far(), self.config.sampling, max_tokens, goes_on=left)
        written = yield from self.writer.write(author, request, self.policy.stops_step)
        return Step(n, Origin(author.value), written.text, written.tokens, written.ended, seconds=0.0, cause=cause)


class SpecReason(Cascade):
    """The draft writes every step and the target rates it, from 0 to 9 (SpecReason, arXiv:2504.07891).

    As in its authors' program the answer begins "I think the quality score is: ", the likeliest digit counts, a step
    stands from 7 on, and has up to 512 tokens. The wording of the question is ours; the temperature is the run's.
    """

    def decide(self, drafted: WrittenStep) -> Generator[Event, None, Outcome]:
        """Whether the drafted step stands: the target's rating alone says so."""
        if self.transcript.has_said(drafted.text):
            return Outcome(Decision.REJECT, DropReason.REPEATED)
        rating = self.verifier.rating(self.transcript.so_far(), drafted)
        decision, confidence = gate_target(rating, _RATED), confidence_of(rating, _RATED)
        yield StepJudged(self.transcript.n, rating, decision, confidence, _RATED.target)
        return Outcome(decision, DropReason.REJECTED, (rating,), confidence, _RATED.target)


class RandomGate(Cascade):
    """A drafted step stands with the probability `random_rate`, whatever it says, else the target writes it again.

    A control: a gate that accepts as many steps and gets no more answers right than this one knows nothing.
    """

    def decide(self, drafted: WrittenStep) -> Generator[Event, None, Outcome]:
        """Whether the drafted step stands: the seed, the question and the step draw the same each time."""
        yield from ()
        if self.transcript.has_said(drafted.text):
            return Outcome(Decision.REJECT, DropReason.REPEATED)
        question, n = self.transcript.prompt.messages[-1].content, self.transcript.n
        draw = random.Random(f"{self.config.sampling.seed} {question} {n} {drafted.text}").random()
        stands = draw < (self.config.random_rate or 0.0)
        return Outcome(Decision.ACCEPT if stands else Decision.REJECT, DropReason.REJECTED)
