"""The algorithm: a draft model writes each step and judges it, a target model is asked only when it matters.

Source: ConfSpec, arXiv:2602.18447. A generator of events; whoever pulls them decides what is shown, saved or measured.
Knows steps, gates and engines; refuses to know files, terminals and thresholds' origins.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace

from confspec_cli.core.answer import ask_in_form, cut_short, reply_of
from confspec_cli.core.engine import Engine
from confspec_cli.core.events import (
    DraftingSwitched,
    Event,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepDropped,
    StepJudged,
    Warned,
)
from confspec_cli.core.gate import Decision, Gate, Signal, accepted_prefix, confidence_of, gate_draft, gate_target
from confspec_cli.core.grading import extract, final_answer
from confspec_cli.core.messages import Prompt
from confspec_cli.core.outcome import Outcome
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.prefetch import PrefetchPolicy
from confspec_cli.core.prompts import RATING_THRESHOLD
from confspec_cli.core.run_config import SOLE_AUTHOR, Form, Mode, RunConfig, authors
from confspec_cli.core.steering import Steering
from confspec_cli.core.steps import Splitter, Thought, thought
from confspec_cli.core.trace import Author, Cause, Origin, Step, Trace, WrittenStep
from confspec_cli.core.verify import Verifier
from confspec_cli.core.writing import GenerationRequest, Writer
from confspec_cli.errors import ContextFull, Interrupted

__all__ = ["Cascade", "Mode", "RunConfig", "authors"]


class Cascade:
    """One run over one prompt. `models` holds the engines the mode needs; `clock` gives seconds.

    A `controller` that has seen earlier runs under the same rules knows from the start what pays.
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
        self._prompt = prompt
        self._models = models
        self._rules = config
        self._clock = clock
        self._steering = steering or Steering()
        self._trace = Trace()
        self._writer = Writer(models, Splitter(config.min_step_chars, config.task.cuts_code), clock)
        needs_verdict = config.asks or config.gate.signal is not Signal.LIKELIHOOD
        self._judges = Verifier(models, config.question if needs_verdict else None, clock)
        self._controller = drafting or adaptive_drafting(config)
        self._overlap = PrefetchPolicy(config.overlaps and config.is_gated and models[Author.DRAFT].supports_rollback)
        self._repeats = 0
        self._answering = False  # a person wanted the answer, and it is being written
        self._reasoned: int | None = None  # steps before the answer in its form

    def run(self) -> Iterator[Event]:
        """Every event of the run, as it happens. EngineError ends it; a full context or an interrupt finish it."""
        for event in self._events():
            self._controller.add(event)
            self._overlap.add(event)
            yield event

    def _events(self) -> Iterator[Event]:
        began = self._clock()
        yield self._started()
        try:
            reason = yield from self._steps()
            if self._rules.form:
                reason = yield from self._answer_in(self._rules.form, reason)
        except ContextFull:
            reason = "context"
        except Interrupted:
            reason = "interrupted"
        yield from self._writer.drop_ahead()
        yield self._finished(reason, began)

    def _steps(self) -> Generator[Event, None, str]:
        while self._trace.tokens < self._rules.max_tokens:
            if cause := self._cut_cause():
                if self._rules.form and self._thought is not Thought.OPEN:
                    return "stop"
                yield from self._cut_short(cause)
            if self._rules.form and self._thought is Thought.CLOSED:
                return "stop"
            if self._controller.turn():
                yield DraftingSwitched(self._n, self._controller.drafts, self._controller.gain)
            step = yield from self._step()
            if step is None:
                continue
            self._repeats = self._repeats + 1 if self._trace.has_said(step.text) else 0
            yield self._commit(step)
            if step.ended and self._thought is Thought.OPEN:
                yield from self._cut_short(Cause.UNCLOSED_THOUGHT)
            elif step.ended:
                return "stop"
            if self._repeats > 1:
                return "repetition"
        return "length"

    def _step(self) -> Generator[Event, None, Step | None]:
        """One step, decided; None where a person had the draft of it dropped."""
        began = self._clock()
        sole, cause = self._sole_author()
        if sole:
            written_step = yield from self._write(sole)
            return self._decided(Origin(sole.value), written_step, began, cause)

        # 1. Draft.
        before = self._writer.splitter.copy()
        written_step = yield from self._write(Author.DRAFT, provisional=True)
        if self._is_broken_off(provisional=True):
            yield StepDropped(self._n, written_step, "steered")
            self._writer.splitter = before
            return None
        judged = yield from self._judge(written_step)
        if judged.stands:
            return judged.over(self._decided(judged.origin, written_step, began), written_step)

        # 5. Regenerate: all of it, or on from where it stands.
        yield StepDropped(self._n, written_step, judged.reason, judged.kept, judged.kept_tokens)
        self._writer.splitter = before
        rewritten = yield from self._write(Author.TARGET, after=judged)
        self._steering.take(Cause.ESCALATE_STEP)  # the target has written this one itself
        return judged.over(self._decided(judged.origin, rewritten, began), written_step)

    def _judge(self, written_step: WrittenStep) -> Generator[Event, None, Outcome]:
        """What becomes of a drafted step."""
        if self._trace.has_said(written_step.text):
            return Outcome(Decision.REJECT, "repeated")
        if written_step.unsure and not written_step.text:
            return Outcome(Decision.REJECT, "unsure", cause=Cause.UNSURE)
        reason = "unsure" if written_step.unsure else "rejected"
        if self._rules.mode is Mode.SPECREASON:
            return (yield from self._rate(written_step))
        # 2. Verify, cheaply. 3. Gate.
        gate, cause = self._rules.gate, Cause.UNSURE if written_step.unsure else None
        assessment = self._judges.draft(self._so_far(), written_step)
        decision = Decision.ESCALATE if written_step.unsure else gate_draft(assessment, gate)
        if self._steering.take(Cause.ESCALATE_STEP):
            decision, cause = Decision.ESCALATE, Cause.ESCALATE_STEP
        signal = confidence_of(assessment, gate)
        threshold = gate.reject if decision is Decision.REJECT else gate.accept
        yield StepJudged(self._n, assessment, decision, signal, threshold, cause)
        if decision is not Decision.ESCALATE:
            return Outcome(decision, reason, (assessment,), signal, threshold, cause)
        # 4. Escalate.
        with self._meanwhile(written_step, cause):
            final, tokens = self._judges.target(self._so_far(), written_step)
        decision, signal = gate_target(final, gate), confidence_of(final, gate)
        yield StepJudged(self._n, final, decision, signal, gate.target)
        judged = Outcome(decision, reason, (assessment, final), signal, gate.target, cause)
        return judged.keeping(written_step, accepted_prefix(tokens, gate)) if gate.min_token_prob else judged

    def _meanwhile(self, written_step: WrittenStep, cause: Cause | None) -> AbstractContextManager[None]:
        """While the target judges a step the draft writes the next, where there may be one and it was seen to pay."""
        if written_step.ended or cause or not self._overlap.begins():
            return nullcontext()
        config, prompt = self._rules, self._so_far(written_step.text)
        stop = config.gate.min_token_prob
        return self._writer.ahead(
            GenerationRequest(self._n + 1, prompt, config.sampling, config.max_step_tokens, True, min_token_prob=stop)
        )

    def _rate(self, written_step: WrittenStep) -> Generator[Event, None, Outcome]:
        """The baseline from the literature: the target rates every step (SpecReason, arXiv:2504.07891)."""
        gate = Gate(Signal.VERDICT, target=RATING_THRESHOLD, min_label_mass=0.0)
        assessment = self._judges.rating(self._so_far(), written_step)
        decision, signal = gate_target(assessment, gate), confidence_of(assessment, gate)
        yield StepJudged(self._n, assessment, decision, signal, gate.target)
        return Outcome(decision, "rejected", (assessment,), signal, gate.target)

    def _sole_author(self) -> tuple[Author | None, Cause | None]:
        """Who writes the next step unjudged, if anyone does, and why where the mode does not say so."""
        sole = SOLE_AUTHOR.get(self._rules.mode)
        if sole is not Author.TARGET and self._is_target_wanted:
            return Author.TARGET, Cause.TARGET_FROM_HERE
        if not sole and not self._controller.drafts:
            return Author.TARGET, Cause.NOT_PAYING
        return sole, None

    def _write(
        self, author: Author, provisional: bool = False, after: Outcome | None = None
    ) -> Generator[Event, None, WrittenStep]:
        """Have a model write the next step, to its boundary, its end or the length allowed, `after` what stands."""
        config, gate = self._rules, self._rules.gate
        room = min(config.max_step_tokens, config.max_tokens - self._trace.tokens)
        room = self._controller.room(room) if provisional else room
        if config.think_budget is not None and self._thought is Thought.OPEN:
            room = min(room, config.think_budget - self._trace.tokens)
        prompt = self._so_far()
        if after and after.kept:
            self._writer.splitter.passes(after.kept)
            self._writer.partial = after.kept
            room, prompt = max(room - after.kept_tokens, 1), self._so_far(after.kept)
        stop = gate.min_token_prob if provisional and config.is_gated else 0.0
        stretch = GenerationRequest(self._n, prompt, config.sampling, room, provisional, min_token_prob=stop)
        return (yield from self._writer.write(author, stretch, lambda: self._is_broken_off(provisional)))

    def _cut_cause(self) -> Cause | None:
        """Why the reasoning ends here, if it must."""
        if self._is_answer_wanted:
            return Cause.ANSWER_NOW
        budget = self._rules.think_budget
        is_spent = budget is not None and self._thought is Thought.OPEN and self._trace.tokens >= budget
        return Cause.THINK_BUDGET if is_spent else None

    def _cut_short(self, cause: Cause) -> Iterator[Event]:
        """Close the thinking, or in plain reasoning begin the answer, in a step that neither model wrote."""
        splitter, task = self._writer.splitter, self._rules.task
        text = cut_short(self._trace.text, self._prompt.think, splitter.fence, task.conclusion)
        splitter.force()
        splitter.passes(text)
        self._answering |= cause is Cause.ANSWER_NOW
        yield self._commit(Step(self._n, Origin.INJECTED, text, tokens=0, ended=False, seconds=0.0, cause=cause))

    def _answer_in(self, form: Form, reason: str) -> Generator[Event, None, str]:
        """The answer, once reasoned out, in the form it was asked for; the writer of last resort writes it, whole."""
        if reason != "stop":
            what = "went in circles" if reason == "repetition" else f"used up {self._rules.max_tokens} tokens"
            yield Warned(f"the reasoning {what} and was cut short before the answer")
        if self._thought is Thought.OPEN:
            yield from self._cut_short(Cause.THINK_BUDGET)
        self._reasoned = len(self._trace)
        author, began = SOLE_AUTHOR.get(self._rules.mode, Author.TARGET), self._clock()
        prompt = ask_in_form(self._prompt, self._trace.segments, form)
        sampling = replace(self._rules.sampling, grammar=form.grammar)
        stretch = GenerationRequest(self._n, prompt, sampling, self._rules.max_tokens, whole=True)
        written_step = yield from self._writer.write(author, stretch, lambda: False)
        yield self._commit(self._decided(Origin(author.value), written_step, began, Cause.FORM))
        return "stop" if written_step.ended else "length"

    @property
    def _n(self) -> int:
        return len(self._trace) + 1

    @property
    def _thought(self) -> Thought:
        return thought(self._trace.text, self._prompt.think)

    @property
    def _is_answer_wanted(self) -> bool:
        return not self._answering and self._steering.wants(Cause.ANSWER_NOW)

    @property
    def _is_target_wanted(self) -> bool:
        return Author.TARGET in self._models and self._steering.wants(Cause.TARGET_FROM_HERE)

    def _is_broken_off(self, provisional: bool) -> bool:
        """Whether a person wants what is being written to stop in mid-step."""
        return self._is_answer_wanted or (provisional and self._is_target_wanted)

    def _so_far(self, *more: str) -> Prompt:
        return replace(self._prompt, reply=(*self._prompt.reply, *self._trace.segments, *more))

    def _decided(self, origin: Origin, written_step: WrittenStep, began: float, cause: Cause | None = None) -> Step:
        seconds = self._clock() - began
        return Step(self._n, origin, written_step.text, written_step.tokens, written_step.ended, seconds, cause=cause)

    def _commit(self, step: Step) -> StepCommitted:
        self._writer.partial = ""
        self._trace.append(step)
        return StepCommitted(step)

    def _started(self) -> RunStarted:
        messages = self._prompt.messages
        return RunStarted(
            prompt=next((message.content for message in reversed(messages) if message.role == "user"), ""),
            system=next((message.content for message in messages if message.role == "system"), ""),
            mode=self._rules.mode.value,
            models={author.value: self._models[author].card for author in authors(self._rules.mode)},
            parameters={**self._rules.parameters(), "think": self._prompt.think},
        )

    def _finished(self, reason: str, began: float) -> RunFinished:
        partial, kind = self._writer.partial, self._rules.task.answer
        said = "".join(self._trace.segments[self._reasoned or 0 :]) + partial
        if self._reasoned is None:
            may_think = any(engine.card.thinks for engine in self._models.values())
            reply = reply_of(said, self._prompt.think, may_think)
            answer, result = final_answer(reply, kind), extract(reply, kind)
        else:
            reply, answer, result = said, said or None, said or None
        return RunFinished(reason, reply, partial, answer, self._clock() - began, result)
