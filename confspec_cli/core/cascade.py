"""One step of the algorithm: draft, verify, gate, escalate, regenerate.

Source: ConfSpec, arXiv:2602.18447. A generator of events that returns the step. Everything around a step (the reply's
loop, budgets, thinking) is in run.py, and who writes next in policy.py.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass

from confspec_cli.core.events import Event, StepDropped, StepJudged
from confspec_cli.core.gate import Decision, accepted_prefix, confidence_of, gate_draft, gate_target
from confspec_cli.core.outcome import Outcome
from confspec_cli.core.policy import Policy
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.trace import Author, Cause, DropReason, Step, WrittenStep
from confspec_cli.core.transcript import Transcript
from confspec_cli.core.verify import Verifier
from confspec_cli.core.writing import GenerationRequest, Writer


@dataclass(frozen=True)
class Cascade:
    """Decides the next step of a transcript: the draft is asked first, the target only where that leaves doubt."""

    transcript: Transcript
    config: RunConfig
    writer: Writer
    verifier: Verifier
    policy: Policy

    def step(self, max_tokens: int) -> Generator[Event, None, Step | None]:
        """The next step, not yet committed; None if the user stopped the draft."""
        n = self.transcript.n

        # 1. Draft. The draft continues the transcript by one step: to the step boundary, the end of its turn, or the
        #    first token it finds too unlikely.
        request = self._draft_request(n, max_tokens)
        drafted = yield from self.writer.write(Author.DRAFT, request, self.policy.stops_draft)
        if self.policy.stops_draft():
            yield StepDropped(n, drafted, DropReason.STEERED)
            self.writer.take_back()
            return None

        outcome = yield from self.decide(drafted)  # 2. to 4.
        if outcome.stands:
            return outcome.step(n, drafted)

        # 5. Regenerate. The target rewrites the step, continuing after the kept prefix.
        yield StepDropped(n, drafted, outcome.reason, outcome.kept, outcome.kept_tokens)
        self.writer.take_back()
        prompt, rest = self.transcript.so_far(outcome.kept), max(max_tokens - outcome.kept_tokens, 1)
        request = GenerationRequest(n, prompt, self.config.sampling, rest, prefix=outcome.kept)
        rewritten = yield from self.writer.write(Author.TARGET, request, self.policy.stops_step)
        self.policy.take_escalation()  # one requested meanwhile is moot now
        return outcome.step(n, drafted, rewritten)

    def decide(self, drafted: WrittenStep) -> Generator[Event, None, Outcome]:
        """Whether the drafted step stands."""
        n, prompt, gate = self.transcript.n, self.transcript.so_far(), self.config.gate
        if gate.accept > 0 and self.transcript.has_said(drafted.text):
            return Outcome(Decision.REJECT, DropReason.REPEATED)
        if drafted.unsure and not drafted.text:
            return Outcome(Decision.REJECT, DropReason.UNSURE, cause=Cause.UNSURE)
        reason = DropReason.UNSURE if drafted.unsure else DropReason.REJECTED
        cause = Cause.UNSURE if drafted.unsure else None

        # 2. Verify. The draft's own assessment: its verdict, one prefill that is rolled back, and its likelihoods.
        assessment = self.verifier.draft(prompt, drafted)

        # 3. Gate. Confident enough either way is final; the target is asked about the rest.
        if self.policy.take_escalation():
            cause = Cause.ESCALATE_STEP
        decision = Decision.ESCALATE if cause else gate_draft(assessment, gate)
        confidence = confidence_of(assessment, gate)
        threshold = gate.reject if decision is Decision.REJECT else gate.accept
        yield StepJudged(n, assessment, decision, confidence, threshold, cause)
        if decision is not Decision.ESCALATE:
            return Outcome(decision, reason, (assessment,), confidence, threshold, cause)

        # 4. Escalate. The target catches up and reads the step in one batched prefill; its confidence is final.
        final, tokens = self.verifier.target(prompt, drafted)
        decision, confidence = gate_target(final, gate), confidence_of(final, gate)
        yield StepJudged(n, final, decision, confidence, gate.target)
        outcome = Outcome(decision, reason, (assessment, final), confidence, gate.target, cause)
        return outcome.keeping(drafted, accepted_prefix(tokens, gate)) if gate.min_token_prob > 0 else outcome

    def _draft_request(self, n: int, max_tokens: int) -> GenerationRequest:
        floor = self.config.gate.min_token_prob if self.config.is_gated else 0.0
        prompt, sampling = self.transcript.so_far(), self.config.sampling
        return GenerationRequest(n, prompt, sampling, max_tokens, provisional=True, min_token_prob=floor)
