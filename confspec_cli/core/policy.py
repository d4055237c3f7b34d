"""Who writes the next step: the mode, the user's wishes, and whether drafting has been worth its time.

A drafted step saves the time the target would have taken for the tokens of it that stand, and costs its writing and
verification in both models. What is learned comes from the events of one run, or of several with the same models and
gate.
"""

from __future__ import annotations

import math

from confspec_cli.core.events import Event, StepCommitted, StepJudged, StepWritten
from confspec_cli.core.frontier import ChoiceReason
from confspec_cli.core.run_config import SOLE_AUTHOR, RunConfig
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Author, Cause, Origin, Step

_RATE = 0.3  # how much the last drafted step weighs
_PATIENCE = -0.25  # the gain below which drafting is turned off
_FIRST_WAIT, _LONGEST_WAIT = 48, 192  # steps by the target before drafting is tried again
_TRIAL = 24  # tokens of a step that is drafted to see whether drafting has become worth it
_PROBE = 8  # escalated steps after which the target, if it has written none, writes one to be compared with


class Policy:
    """Who writes the next step of a run, and whether the user wants what is being written to stop."""

    def __init__(self, config: RunConfig, steering: Steering, drafting: AdaptiveDrafting, has_target: bool) -> None:
        self.drafting = drafting
        self._sole = SOLE_AUTHOR.get(config.mode)
        self._has_target_first = config.gate.target_first and config.is_gated
        self._steering = steering
        self._has_target = has_target
        self._is_answering = False
        self._is_draft_full = False

    def sole_author(self, n: int) -> tuple[Author | None, Cause | None]:
        """The model that writes step `n` alone, and why unless the mode says so; (None, None) if it is drafted."""
        if self._sole is not Author.TARGET and self._wants_target:
            return Author.TARGET, Cause.TARGET_FROM_HERE
        if self._sole:
            return self._sole, None
        if self._is_draft_full:
            return Author.TARGET, Cause.DRAFT_FULL
        if not self.drafting.drafts:
            return Author.TARGET, Cause.NOT_PAYING
        if n == 1 and self._has_target_first:
            return Author.TARGET, Cause.TARGET_FIRST
        return (Author.TARGET, Cause.PROBE) if self.drafting.needs_probe else (None, None)

    def draft_tokens(self, max_tokens: int) -> int:
        """How long the next step may be as the draft writes it."""
        return self.drafting.draft_tokens(max_tokens)

    def stop_drafting(self) -> None:
        """The draft's context is full: the target writes the rest."""
        self._is_draft_full = True

    def wants_answer(self) -> bool:
        """Whether the user wants the answer, and it is not being written yet."""
        return not self._is_answering and self._steering.wants(Cause.ANSWER_NOW)

    def begin_answer(self) -> None:
        """The answer the user wants is being written from here on."""
        self._is_answering = True

    def take_escalation(self) -> bool:
        """Whether the user asked for this step to be escalated; the request is then used up."""
        return self._steering.take(Cause.ESCALATE_STEP)

    def stops_step(self) -> bool:
        """Whether the user wants the step being written to end here."""
        return self.wants_answer()

    def stops_draft(self) -> bool:
        """Whether the user wants the draft to stop this step."""
        return self.wants_answer() or self._wants_target

    @property
    def _wants_target(self) -> bool:
        return self._has_target and self._steering.wants(Cause.TARGET_FROM_HERE)


class AdaptiveDrafting:
    """Turns drafting off where it takes longer than it saves, and tries it again now and then; only if `active`.

    Without `worth_drafting` the target begins alone, and if that is `final` it stays alone. The gain of a drafted step
    is the time it saved less the time it cost, over the time the target would have taken for it. What the draft reads
    before its first step or before a trial does not count, as it is read once.
    """

    def __init__(self, worth_drafting: bool = True, active: bool = True, final: bool = False) -> None:
        self.gain = 0.0 if worth_drafting else 2 * _PATIENCE
        """The gain of the drafted steps so far, smoothed."""
        self.drafts = worth_drafting or not (active or final)
        """Whether the draft writes the next step."""
        self._active = active
        self._wait: float = math.inf if final else _FIRST_WAIT
        self._waited = 0
        self._is_trying = False
        self._target_tokens, self._target_seconds = 0, 0.0
        self._cost: float | None = None  # of the step being drafted
        self._escalated = 0

    def add(self, event: Event) -> None:
        """Learn from the next event."""
        match event:
            case StepWritten(written_step=written_step) if written_step.author is Author.TARGET:
                self._target_tokens += written_step.tokens
                self._target_seconds += written_step.seconds - written_step.prefill_seconds
            case StepWritten(n=n, written_step=written_step):
                self._cost = written_step.seconds - (written_step.prefill_seconds if n == 1 or self._is_trying else 0.0)
            case StepJudged(n=n, assessment=assessment) if self._cost is not None:
                # The target reads the prompt once, whoever writes; all else it reads because of the draft.
                self._cost += assessment.seconds + (assessment.prefill_seconds if n > 1 else 0.0)
                self._escalated += assessment.by is Author.TARGET
            case StepCommitted(step=step):
                self._learn(step)

    @property
    def needs_probe(self) -> bool:
        """Whether the target is to write a step, so that it is known how fast it writes."""
        return self._active and not self._target_tokens and self._escalated >= _PROBE

    def draft_tokens(self, max_tokens: int) -> int:
        """How long the next step may be as the draft writes it: shorter than `max_tokens` in a trial."""
        return min(max_tokens, _TRIAL) if self._is_trying else max_tokens

    def switch_if_due(self) -> bool:
        """Turn drafting on or off if it is time to; returns whether it did. Call it once before each step."""
        if not self._active:
            return False
        if self.drafts and not self._is_trying and self.gain < _PATIENCE:
            self.drafts, self._waited = False, 0
            return True
        if not self.drafts and self._waited >= self._wait:
            self.drafts = self._is_trying = True
            return True
        return False

    def _learn(self, step: Step) -> None:
        cost, self._cost = self._cost, None
        if cost is None:
            self._waited += 1
            return
        if not self._target_seconds:
            return  # nothing to compare it with yet
        seconds_per_token = self._target_seconds / self._target_tokens
        kept = {Origin.TARGET: 0, Origin.SALVAGED: step.kept_tokens}.get(step.origin, step.tokens)
        gain = (kept * seconds_per_token - cost) / (max(step.tokens, 1) * seconds_per_token)
        self.gain += _RATE * (gain - self.gain)
        if self._is_trying:
            self._is_trying = False
            if gain > 0:
                self.gain, self._wait = 0.0, _FIRST_WAIT
            else:
                self.gain, self._wait = min(self.gain, 2 * _PATIENCE), min(2 * self._wait, _LONGEST_WAIT)


def adaptive_drafting(config: RunConfig) -> AdaptiveDrafting:
    """One that has learned nothing yet, for runs with this config."""
    choice = config.choice
    is_final = choice is not None and choice.gate is None and choice.reason is not ChoiceReason.FASTEST
    return AdaptiveDrafting(config.gate.worth_drafting, config.adaptive and config.is_gated, is_final)
