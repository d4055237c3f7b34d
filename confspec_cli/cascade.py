"""The algorithm: a draft model writes each step and judges it, a target model is asked only when it matters.

Source: ConfSpec, arXiv:2602.18447. A generator of events; whoever pulls them decides what is shown, saved or measured.
Knows steps, gates and engines; refuses to know files, terminals and thresholds' origins.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from enum import Enum

from confspec_cli import verify
from confspec_cli.engines.base import Engine, Prompt, Sampling
from confspec_cli.errors import ContextFull, Interrupted
from confspec_cli.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepDropped,
    StepJudged,
    StepOpened,
    StepWritten,
    TextWritten,
)
from confspec_cli.gate import Decision, Gate, Signal, judge_draft, judge_target, signal_of
from confspec_cli.grading import final_answer
from confspec_cli.prompts import RATING, RATING_THRESHOLD, Question
from confspec_cli.steering import Steering
from confspec_cli.steps import Splitter, after_thinking
from confspec_cli.trace import Author, Likelihood, Origin, Proposal, Reading, Step, Trace


class Mode(str, Enum):
    """Who writes and who judges."""

    CONFSPEC = "confspec"  # the draft writes and judges, the target is asked where that is uncertain
    TARGET = "target"  # the target alone
    DRAFT = "draft"  # the draft alone
    SPECREASON = "specreason"  # the draft writes, the target rates every step (arXiv:2504.07891)


_SOLE_AUTHOR = {Mode.TARGET: Author.TARGET, Mode.DRAFT: Author.DRAFT}


def authors(mode: Mode) -> tuple[Author, ...]:
    """The models a mode needs."""
    sole = _SOLE_AUTHOR.get(mode)
    return (sole,) if sole else (Author.DRAFT, Author.TARGET)


@dataclass(frozen=True, slots=True)
class Rules:
    """Everything that shapes a run. Lengths are in tokens of the writing model, `min_step_chars` in characters."""

    mode: Mode
    gate: Gate
    question: Question
    sampling: Sampling
    max_tokens: int
    max_step_tokens: int
    min_step_chars: int


class Cascade:
    """One run over one prompt. `models` holds the engines the mode needs; `clock` gives seconds."""

    def __init__(
        self,
        prompt: Prompt,
        models: Mapping[Author, Engine],
        rules: Rules,
        clock: Callable[[], float],
        steering: Steering | None = None,
    ) -> None:
        self._prompt = prompt
        self._models = models
        self._rules = rules
        self._clock = clock
        self._steering = steering
        self._trace = Trace()
        self._splitter = Splitter(rules.min_step_chars)
        self._repeats = 0
        self._partial = ""

    def run(self) -> Iterator[Event]:
        """Every event of the run, as it happens. EngineError ends it; a full context or an interrupt finish it."""
        began = self._clock()
        yield self._started()
        try:
            reason = yield from self._steps()
        except ContextFull:
            reason = "context"
        except Interrupted:
            reason = "interrupted"
        reply = after_thinking(self._trace.text + self._partial, self._prompt.think)
        yield RunFinished(reason, reply, self._partial, final_answer(reply), self._clock() - began)

    def _steps(self) -> Generator[Event, None, str]:
        while self._trace.tokens < self._rules.max_tokens:
            self._partial = ""
            step = yield from self._step()
            self._partial = ""
            self._repeats = self._repeats + 1 if self._trace.has_said(step.text) else 0
            self._trace.append(step)
            yield StepCommitted(step)
            if step.ended:
                return "stop"
            if self._repeats > 1:
                return "repetition"
        return "length"

    def _step(self) -> Generator[Event, None, Step]:
        mode, gate = self._rules.mode, self._rules.gate
        began = self._clock()
        if sole := _SOLE_AUTHOR.get(mode):
            proposal = yield from self._write(sole, provisional=False)
            return self._committed(Origin(sole.value), proposal, began)

        # 1. Draft.
        before = self._splitter.copy()
        proposal = yield from self._write(Author.DRAFT, provisional=True)
        readings: tuple[Reading, ...] = ()
        signal = threshold = None
        if not self._trace.has_said(proposal.text):
            decision = Decision.ESCALATE
            if mode is Mode.SPECREASON:
                gate = Gate(Signal.VERDICT, target=RATING_THRESHOLD, certainty=0.0)
            else:
                # 2. Verify, cheaply. 3. Gate.
                readings = (self._ask_draft(proposal),)
                decision = judge_draft(readings[0], gate)
                signal = signal_of(readings[0], gate.signal)
                threshold = gate.reject if decision is Decision.REJECT else gate.accept
                yield StepJudged(len(self._trace) + 1, readings[0], decision, signal, threshold)
            origin = Origin.DRAFT
            # 4. Escalate.
            if decision is Decision.ESCALATE:
                origin = Origin.ESCALATED
                readings = (*readings, self._ask_target(proposal))
                decision = judge_target(readings[-1], gate)
                signal, threshold = signal_of(readings[-1], gate.signal), gate.target
                yield StepJudged(len(self._trace) + 1, readings[-1], decision, signal, threshold)
            if decision is Decision.ACCEPT:
                step = self._committed(origin, proposal, began)
                return replace(step, readings=readings, signal=signal, threshold=threshold)

        # 5. Regenerate.
        yield StepDropped(len(self._trace) + 1, proposal, "rejected" if readings else "repeated")
        self._splitter = before
        rewritten = yield from self._write(Author.TARGET, provisional=False)
        step = self._committed(Origin.TARGET, rewritten, began)
        return replace(step, readings=readings, signal=signal, threshold=threshold, rejected_text=proposal.text)

    def _write(self, author: Author, provisional: bool) -> Generator[Event, None, Proposal]:
        """Have a model write one step, to its boundary, to its end or to the length allowed."""
        n = len(self._trace) + 1
        yield StepOpened(n, author, provisional)
        began, first, ended = self._clock(), 0.0, False
        texts: list[str] = []
        logprobs: list[float] = []
        agreed = 0
        limit = min(self._rules.max_step_tokens, self._rules.max_tokens - self._trace.tokens)
        with closing(self._models[author].generate(self._so_far(), self._rules.sampling, limit)) as tokens:
            for token in tokens:
                first = first or self._clock()
                logprobs.append(token.logprob)
                agreed += token.is_argmax
                ended = token.ends
                if token.text:
                    texts.append(token.text)
                    if not provisional:
                        self._partial = "".join(texts)
                    yield TextWritten(n, author, token.text)
                if self._passes_boundary(token.text):
                    break
            else:
                self._splitter.force()
        now = self._clock()
        proposal = Proposal(
            author=author,
            text="".join(texts),
            tokens=len(logprobs) - ended,
            ended=ended,
            likelihood=Likelihood.of(logprobs, agreed),
            seconds=now - began,
            prefill_seconds=(first or now) - began,
        )
        yield StepWritten(n, proposal)
        return proposal

    def _passes_boundary(self, text: str) -> bool:
        """Feed the splitter; a token is never cut, so what it carries past a boundary stays with the step."""
        end = self._splitter.feed(text)
        if end is None:
            return False
        while end is not None:
            text = text[end:]
            end = self._splitter.feed(text)
        return True

    def _ask_draft(self, proposal: Proposal) -> Reading:
        began = self._clock()
        verdict = verify.ask(self._models[Author.DRAFT], self._so_far(proposal.text), self._rules.question)
        return Reading(Author.DRAFT, verdict, proposal.likelihood, self._clock() - began)

    def _ask_target(self, proposal: Proposal) -> Reading:
        """The target catches up in one prefill, reads the step and is asked about it in another."""
        arrived = self._clock()
        target = self._models[Author.TARGET]
        target.read(self._so_far())
        began = self._clock()
        if self._rules.mode is Mode.SPECREASON:
            verdict, likelihood = verify.ask(target, self._so_far(proposal.text), RATING), None
        else:
            question = self._rules.question
            tokens, verdict = verify.read_and_ask(target, self._so_far(), proposal.text, proposal.ended, question)
            likelihood = Likelihood.of([token.logprob for token in tokens], sum(token.is_argmax for token in tokens))
        return Reading(Author.TARGET, verdict, likelihood, self._clock() - began, began - arrived)

    def _so_far(self, *more: str) -> Prompt:
        return replace(self._prompt, reply=(*self._prompt.reply, *self._trace.segments, *more))

    def _committed(self, origin: Origin, proposal: Proposal, began: float) -> Step:
        return Step(
            n=len(self._trace) + 1,
            origin=origin,
            text=proposal.text,
            tokens=proposal.tokens,
            ended=proposal.ended,
            seconds=self._clock() - began,
        )

    def _started(self) -> RunStarted:
        rules = self._rules
        parameters = {
            **{key: value.value if isinstance(value, Enum) else value for key, value in asdict(rules.gate).items()},
            **asdict(rules.sampling),
            "question": rules.question.text,
            "max_tokens": rules.max_tokens,
            "max_step_tokens": rules.max_step_tokens,
            "min_step_chars": rules.min_step_chars,
            "think": self._prompt.think,
        }
        messages = self._prompt.messages
        return RunStarted(
            prompt=next((message.content for message in reversed(messages) if message.role == "user"), ""),
            system=next((message.content for message in messages if message.role == "system"), ""),
            mode=rules.mode.value,
            models={author.value: self._models[author].card for author in authors(rules.mode)},
            parameters=parameters,
        )
