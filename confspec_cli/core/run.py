"""A whole reply: step after step, within its budgets, through thinking to an answer in the form that was asked for."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import replace

from confspec_cli.core.answer import ask_in_form, cut_short
from confspec_cli.core.baselines import Alone, RandomGate, SpecReason
from confspec_cli.core.cascade import Cascade
from confspec_cli.core.engine import Engine
from confspec_cli.core.events import DraftingSwitched, Event, GateChosen, RunFinished, RunStarted, StepCommitted, Warned
from confspec_cli.core.grading import extract, final_answer
from confspec_cli.core.messages import Prompt
from confspec_cli.core.meter import Meter
from confspec_cli.core.needs import check_powers
from confspec_cli.core.policy import AdaptiveDrafting, Policy, adaptive_drafting
from confspec_cli.core.run_config import SOLE_AUTHOR, Form, Mode, RunConfig, authors
from confspec_cli.core.steering import Steering
from confspec_cli.core.steps import Splitter
from confspec_cli.core.thinking import Thought, reply_of
from confspec_cli.core.trace import Author, Cause, FinishReason, Origin, Step
from confspec_cli.core.transcript import Transcript
from confspec_cli.core.verify import Verifier
from confspec_cli.core.writing import GenerationRequest, Writer
from confspec_cli.errors import ContextFull, EngineError, Interrupted


class ReasoningRun:
    """One reply to one prompt. `models` holds the engines that the mode needs; `clock` gives seconds.

    Pass the `drafting` of earlier runs with the same models and gate to reuse what they measured.
    Raises UsageError where a model cannot do what the configuration asks of it.
    """

    def __init__(
        self,
        prompt: Prompt,
        models: Mapping[Author, Engine],
        config: RunConfig,
        clock: Callable[[], float],
        steering: Steering | None = None,
        drafting: AdaptiveDrafting | None = None,
    ) -> None:
        check_powers(config, models)
        self._models = models
        self._config = config
        self._clock = clock
        self._transcript = Transcript(prompt)
        drafting = drafting or adaptive_drafting(config)
        self._policy = Policy(config, steering or Steering(), drafting, Author.TARGET in models)
        splitter = Splitter(config.min_step_chars)
        self._writer = Writer(models, splitter, clock)
        question = config.question if config.needs_verdict else None
        verifier = Verifier(models, question, clock, needs_scores=config.gate.signal.is_read)
        parts = self._transcript, config, self._writer, verifier, self._policy
        self._cascade = _kind(config)(*parts)
        self._alone = Alone(*parts)
        self._repeats = 0
        self._reasoned: int | None = None  # steps before the answer in its form
        self._meter = Meter(models)
        self._earlier: Sequence[Step] | None = None

    def go_on_from(self, steps: Sequence[Step]) -> None:
        """Begin with the steps of an earlier run of the same prompt, which did not end well; they stand."""
        self._earlier = steps

    def events(self) -> Iterator[Event]:
        """Every event, as it happens; the last is RunFinished. Raises EngineError after it where an engine failed."""
        with closing(self._events()) as events:
            for event in events:
                self._policy.drafting.add(event)
                yield event

    def _events(self) -> Generator[Event, None, None]:
        began = self._clock()
        yield self._started()
        if choice := self._config.choice:
            yield GateChosen(choice.name, choice.seconds, choice.alone, choice.reason, choice.is_measured)
        failure: EngineError | None = None
        yield from self._begin_again()
        try:
            self._meter.begin(self._transcript.prompt)
            reason = yield from self._reason()
            if self._config.form:
                reason = yield from self._answer_in(self._config.form, reason)
        except ContextFull:
            reason = FinishReason.CONTEXT
        except Interrupted:
            reason = FinishReason.INTERRUPTED
        except EngineError as problem:
            reason, failure = FinishReason.FAILED, problem
        finally:
            self._writer.close()
        yield self._finished(reason, began)
        if failure:
            raise failure

    def _begin_again(self) -> Iterator[Event]:
        """Commit the steps of the earlier run."""
        for step in self._earlier or ():
            if not self._writer.splitter.passes(step.text):
                self._writer.splitter.force()
            self._transcript.steps.append(step)
            yield StepCommitted(step)

    def _reason(self) -> Generator[Event, None, FinishReason]:
        """Step after step, up to the end of the reply or, where the answer has a form, of the thinking."""
        while self._transcript.tokens < self._config.max_tokens:
            if cause := self._cut_cause():
                if self._config.form and not self._is_thinking:
                    return FinishReason.STOP
                yield from self._cut_short(cause)
            if self._config.form and self._transcript.thought is Thought.CLOSED:
                return FinishReason.STOP
            if self._policy.drafting.switch_if_due():
                yield DraftingSwitched(self._transcript.n, self._policy.drafting.drafts, self._policy.drafting.gain)
            began = self._clock()
            step = yield from self._step()
            if step is None:
                continue
            goes_on = step.tokens and not self._transcript.has_said(step.text)
            self._repeats = 0 if goes_on else self._repeats + 1
            yield self._commit(step, began)
            if not step.ended and self._repeats < 2:
                continue
            if not self._is_thinking:
                return FinishReason.STOP if step.ended else FinishReason.REPETITION
            yield from self._cut_short(Cause.UNCLOSED_THOUGHT if step.ended else Cause.REPETITION)
            self._repeats = 0
        return FinishReason.LENGTH

    def _step(self) -> Generator[Event, None, Step | None]:
        """The next step, not yet committed; None where the draft of it came to nothing."""
        author, cause = self._policy.sole_author(self._transcript.n)
        if author:
            return (yield from self._alone.write(author, cause, self._step_tokens()))
        try:
            return (yield from self._cascade.step(self._step_tokens()))
        except ContextFull:
            target = self._models[Author.TARGET]
            if self._writer.partial or target.count(self._transcript.so_far()) >= target.card.context:
                raise  # it is the target's that is full
        self._writer.take_back()
        self._policy.stop_drafting()
        yield Warned("The context has no room left for drafting; the target writes the rest alone.")
        return None

    def _step_tokens(self) -> int:
        """How long the next step may be, in tokens."""
        config, used = self._config, self._transcript.tokens
        limit = min(config.max_step_tokens, config.max_tokens - used)
        if config.think_budget is not None and self._is_thinking:
            limit = min(limit, config.think_budget - used)
        return limit

    def _cut_cause(self) -> Cause | None:
        """Why the reasoning ends here, if it must."""
        if self._policy.wants_answer():
            return Cause.ANSWER_NOW
        budget = self._config.think_budget
        is_spent = budget is not None and self._is_thinking and self._transcript.tokens >= budget
        return Cause.THINK_BUDGET if is_spent else None

    def _cut_short(self, cause: Cause) -> Iterator[Event]:
        """Close the thinking, or in plain reasoning begin the answer, in a step that neither model wrote."""
        splitter, transcript = self._writer.splitter, self._transcript
        text = cut_short(transcript.text, transcript.prompt.think, splitter.fence, self._config.task.conclusion)
        splitter.force()
        splitter.passes(text)
        if cause is Cause.ANSWER_NOW:
            self._policy.begin_answer()
        step = Step(transcript.n, Origin.INJECTED, text, tokens=0, ended=False, seconds=0.0, cause=cause)
        yield self._commit(step, self._clock())

    def _answer_in(self, form: Form, reason: FinishReason) -> Generator[Event, None, FinishReason]:
        """The answer in its form, after the reasoning: the target writes it whole, or the model that writes alone."""
        if reason is not FinishReason.STOP:
            is_circular = reason is FinishReason.REPETITION
            what = "repeated itself" if is_circular else f"reached the limit of {self._config.max_tokens} tokens"
            yield Warned(f"the reasoning {what} and was stopped before the answer")
        if self._is_thinking:
            yield from self._cut_short(Cause.THINK_BUDGET)
        transcript, config = self._transcript, self._config
        self._reasoned = len(transcript.steps)
        author, began = SOLE_AUTHOR.get(config.mode, Author.TARGET), self._clock()
        prompt = ask_in_form(transcript.prompt, transcript.segments, form)
        sampling = replace(config.sampling, grammar=form.grammar)
        request = GenerationRequest(transcript.n, prompt, sampling, config.max_tokens, whole=True)
        written = yield from self._writer.write(author, request)
        origin, ended = Origin(author.value), written.ended
        yield self._commit(
            Step(transcript.n, origin, written.text, written.tokens, ended, seconds=0.0, cause=Cause.FORM), began
        )
        return FinishReason.STOP if ended else FinishReason.LENGTH

    @property
    def _is_thinking(self) -> bool:
        return self._transcript.thought is Thought.OPEN

    def _commit(self, step: Step, began: float) -> StepCommitted:
        step = replace(step, seconds=self._clock() - began)
        self._writer.partial, self._writer.partial_tokens = "", 0
        self._transcript.steps.append(step)
        return StepCommitted(step)

    def _started(self) -> RunStarted:
        prompt, config = self._transcript.prompt, self._config
        return RunStarted(
            prompt=next((message.content for message in reversed(prompt.messages) if message.role == "user"), ""),
            system=next((message.content for message in prompt.messages if message.role == "system"), ""),
            mode=config.mode.value,
            models={author.value: self._models[author].card for author in authors(config.mode)},
            parameters={"pair": config.pair or None, **config.parameters(), "think": prompt.think},
            continues=None if self._earlier is None else len(self._earlier),
        )

    def _finished(self, reason: FinishReason, began: float) -> RunFinished:
        partial, kind = self._writer.partial, self._config.task.answer
        said = "".join(self._transcript.segments[self._reasoned or 0 :]) + partial
        if self._reasoned is None:
            may_think = any(engine.card.thinks for engine in self._models.values())
            reply = reply_of(said, self._transcript.prompt.think, may_think)
            answer, result = final_answer(reply, kind), extract(reply, kind)
        else:
            reply, answer, result = said, said or None, said or None
        tokens, author = self._writer.partial_tokens, self._writer.partial_author if partial else None
        bills, alone = self._meter.bills(), self._meter.target_alone(self._transcript.tokens + tokens)
        seconds = self._clock() - began
        return RunFinished(reason, reply, partial, answer, seconds, result, tokens, author, bills, alone)


def _kind(config: RunConfig) -> type[Cascade]:
    """How drafted steps are decided."""
    if config.random_rate is not None:
        return RandomGate
    return SpecReason if config.mode is Mode.SPECREASON else Cascade
