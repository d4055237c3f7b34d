"""Who writes the next step: the mode, the user's wishes, and whether drafting has been worth its time.

What is learned comes from the events of one run, or of several with the same models and gate.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from confspec_cli.core.events import Event, RunFinished, RunStarted, StepCommitted, StepJudged, StepWritten
from confspec_cli.core.frontier import ChoiceReason
from confspec_cli.core.run_config import SOLE_AUTHOR, RunConfig
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Author, Cause, FinishReason, Origin, Step

_SHARE = 0.025  # of the time the target alone would take, what drafting may lose
_GRACE = 64.0  # what it may lose at first, in tokens of the target
_STEP = 24.0  # what a drafted step may lose, before any is known
_PROBE = 2  # drafted steps after which the target, if it has written none, writes one to be compared with
_CALIBRATED = 8.0  # answers that count as much as the calibrated length


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


@dataclass(slots=True)
class _Account:
    """What drafting did: the seconds it took, and the tokens that the target need not write, or had to."""

    steps: int = 0
    spent: float = 0.0
    saved: float = 0.0
    written: int = 0

    @property
    def usual(self) -> float:
        """Tokens the target alone would have written."""
        return self.saved + self.written

    def lost(self, pace: float) -> float:
        """What drafting has lost, in tokens that the target writes in `pace` seconds each; negative if it has saved."""
        return self.spent / pace - self.saved


class AdaptiveDrafting:
    """Has the target write alone where drafting makes answers take longer; only if `active`.

    Drafting costs seconds, and saves those the target takes for tokens it need not write. Only as many tokens count as
    the target's answers usually have: a draft that goes on beyond that saves nothing. Once drafting has lost more than
    a small share of the target's own time, the target writes the rest of the run; the next one is drafted if all runs
    together have lost less than that share. Without `worth_drafting` the target begins alone, and if that is `final` it
    stays alone. Known from before, or 0: `usual_tokens`, the length of the target's answers, and `pace`, the seconds it
    takes to write a token.
    """

    def __init__(
        self,
        worth_drafting: bool = True,
        active: bool = True,
        final: bool = False,
        usual_tokens: float = 0.0,
        pace: float = 0.0,
    ) -> None:
        self.drafts = worth_drafting or not (active or final)
        """Whether the draft writes the next step."""
        self._active = active
        self._run = _Account()
        owed = math.inf if final else _GRACE
        self._all = _Account(saved=0.0 if worth_drafting else -owed)
        self._prompt_seconds = 0.0  # of the draft, for reading the prompt: no later step of the run costs them again
        self._cost: float | None = None  # of the step being drafted
        self._known_pace = pace
        self._target_tokens, self._target_seconds = 0, 0.0
        self._length = 0  # of the reply
        self._answers = _CALIBRATED if usual_tokens else 0  # of the target alone
        self._answer_tokens = self._answers * usual_tokens

    def add(self, event: Event) -> None:
        """Learn from the next event."""
        match event:
            case RunStarted():
                self._begin()
            case StepWritten(written_step=written_step) if written_step.author is Author.TARGET:
                self._target_tokens += written_step.tokens
                self._target_seconds += written_step.seconds - written_step.prefill_seconds
            case StepWritten(written_step=written_step):
                once = 0.0 if self._run.steps else written_step.prefill_seconds
                self._prompt_seconds += once
                self._cost = written_step.seconds - once
            case StepJudged(n=n, assessment=assessment) if self._cost is not None:
                # The target reads the prompt once, whoever writes; all else it reads because of the draft.
                self._cost += assessment.seconds + (assessment.prefill_seconds if n > 1 else 0.0)
            case StepCommitted(step=step):
                self._learn(step)
            case RunFinished(reason=FinishReason.STOP) if not self._run.steps:
                self._answers += 1
                self._answer_tokens += self._length

    @property
    def gain(self) -> float:
        """What drafting has saved in this run, as a share of the time the target alone would have taken so far."""
        return -self._run.lost(self._pace) / self._run.usual if self._pace and self._run.usual else 0.0

    @property
    def needs_probe(self) -> bool:
        """Whether the target is to write a step, so that it is known how fast it writes here and now."""
        if not self._active or self._target_tokens:
            return False
        return not self._can_draft() if self._known_pace else self._all.steps >= _PROBE

    def switch_if_due(self) -> bool:
        """Turn drafting off if it is time to; returns whether it did. Call it once before each step."""
        if not self._active or not self.drafts or not self._target_tokens or self._can_draft():
            return False
        self.drafts = False
        return True

    def _begin(self) -> None:
        """All runs so far decide whether this one is drafted."""
        self._all.spent += self._prompt_seconds
        self._run, self._length, self._prompt_seconds, self._cost = _Account(), 0, 0.0, None
        if self._active and self._target_tokens:
            self.drafts = self._can_draft()

    def _can_draft(self) -> bool:
        """Whether a step more, like those of this run so far, will not lose too much."""
        if not (pace := self._pace):
            return True  # nothing to compare it with yet
        step = max(0.0, (_STEP + self._run.lost(pace)) / (1 + self._run.steps))
        return all(one.lost(pace) + step <= max(_GRACE, _SHARE * one.usual) for one in (self._run, self._all))

    def _learn(self, step: Step) -> None:
        cost, self._cost = self._cost, None
        before, self._length = self._length, self._length + step.tokens
        by_draft = {Origin.TARGET: 0, Origin.SALVAGED: step.kept_tokens}.get(step.origin, step.tokens)
        kept = 0 if cost is None else by_draft
        usual = self._answer_tokens / self._answers if self._answers else math.inf
        for account in (self._run, self._all):
            account.steps += cost is not None
            account.spent += cost or 0.0
            account.saved += max(0.0, min(kept, usual - before))
            account.written += step.tokens - kept

    @property
    def _pace(self) -> float:
        """Seconds the target takes to write a token; 0 where nothing tells."""
        return self._target_seconds / self._target_tokens if self._target_tokens else self._known_pace


def adaptive_drafting(config: RunConfig) -> AdaptiveDrafting:
    """One that has learned nothing yet, for runs with this config."""
    choice = config.choice
    is_final = choice is not None and choice.gate is None and choice.reason is not ChoiceReason.FASTEST
    usual_tokens = choice.usual_tokens if choice else 0.0
    pace = choice.alone / usual_tokens if choice and choice.is_measured and usual_tokens else 0.0
    is_active = config.adaptive and config.is_gated
    return AdaptiveDrafting(config.gate.worth_drafting, is_active, is_final, usual_tokens, pace)
