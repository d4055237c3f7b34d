"""Do no harm: notices when drafting steps does not pay, has the target write alone, and tries again now and then.

What a drafted step saved is the time the target would have taken for the tokens of it that stand; what it cost is its
writing and its judging, in both models. Learns from the events of one run, or of several with the same models and gate;
refuses to know what the steps say.
"""

from __future__ import annotations

from confspec_cli.core.events import Event, StepCommitted, StepJudged, StepWritten
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.trace import Author, Origin, Step

_RATE = 0.3  # how much the last drafted step weighs
_PATIENCE = -0.25  # the gain below which drafting is turned off
_FIRST_WAIT, _LONGEST_WAIT = 48, 192  # steps by the target before drafting is tried again
_TRIAL = 24  # tokens of a step that is drafted to see whether it pays again


class AdaptiveDrafting:
    """Says before each step whether the draft writes it; without `active` it always does.

    Where drafting is known not to have paid (`pays`) the target begins alone. The gain of a drafted step is what it
    saved less what it cost, over what the target would have taken for it; what the draft had to read before its first
    step, or before a trial, is not held against that step, as it is read once.
    """

    def __init__(self, worth_drafting: bool = True, active: bool = True) -> None:
        self.gain = 0.0 if worth_drafting else 2 * _PATIENCE
        """The gain of the drafted steps so far, smoothed."""
        self.drafts = not active or worth_drafting
        """Whether the draft writes the next step."""
        self._active = active
        self._wait, self._waited = _FIRST_WAIT, 0
        self._is_trying = False
        self._target_tokens, self._target_seconds = 0, 0.0
        self._cost: float | None = None  # of the step being drafted

    def add(self, event: Event) -> None:
        """Learn from the next event."""
        match event:
            case StepWritten(written_step=written_step) if written_step.author is Author.TARGET:
                self._target_tokens += written_step.tokens
                self._target_seconds += written_step.seconds - written_step.prefill_seconds
            case StepWritten(n=n, written_step=written_step):
                self._cost = written_step.seconds - (written_step.prefill_seconds if n == 1 or self._is_trying else 0.0)
            case StepJudged(n=n, assessment=assessment) if self._cost is not None:
                # The target reads the prompt once, whoever writes; all else it reads to judge, or because of the draft.
                self._cost += assessment.seconds + (assessment.prefill_seconds if n > 1 else 0.0)
            case StepCommitted(step=step):
                self._learn(step)

    def room(self, wanted: int) -> int:
        """Tokens the draft may write of the next step: fewer than `wanted` where that is a trial."""
        return min(wanted, _TRIAL) if self._is_trying else wanted

    def turn(self) -> bool:
        """Whether drafting was just turned on or off; to be asked once before each step."""
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
            return  # nothing to hold it against yet
        token = self._target_seconds / self._target_tokens
        accepted_prefix = {Origin.TARGET: 0, Origin.SALVAGED: step.kept_tokens}.get(step.origin, step.tokens)
        gain = (accepted_prefix * token - cost) / (max(step.tokens, 1) * token)
        self.gain += _RATE * (gain - self.gain)
        if self._is_trying:
            self._is_trying = False
            if gain > 0:
                self.gain, self._wait = 0.0, _FIRST_WAIT
            else:
                self.gain, self._wait = min(self.gain, 2 * _PATIENCE), min(2 * self._wait, _LONGEST_WAIT)


def adaptive_drafting(config: RunConfig) -> AdaptiveDrafting:
    """A controller that knows nothing yet, for runs under these rules."""
    return AdaptiveDrafting(config.gate.worth_drafting, config.controlled and config.is_gated)
