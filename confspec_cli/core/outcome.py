"""The outcome of drafting a step: whether it stands, and if not, how much of its beginning does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from confspec_cli.core.gate import Decision
from confspec_cli.core.messages import Token
from confspec_cli.core.trace import Assessment, Author, Cause, DropReason, Origin, Step, WrittenStep


@dataclass(frozen=True, slots=True)
class Outcome:
    """The final decision on a drafted step, and the record of how it was reached.

    `reason` is why it is dropped, if it is. `kept`, of `kept_tokens`, is the beginning that stands all the same: the
    target writes on from there.
    """

    decision: Decision
    reason: DropReason
    assessments: tuple[Assessment, ...] = ()
    confidence: float | None = None
    threshold: float | None = None
    cause: Cause | None = None
    kept: str = ""
    kept_tokens: int = 0

    @property
    def stands(self) -> bool:
        """Whether the step is committed as it was drafted."""
        return self.decision is Decision.ACCEPT and self.reason is not DropReason.UNSURE

    @property
    def origin(self) -> Origin:
        """How the committed step came to be."""
        if self.stands:
            is_by_target = bool(self.assessments) and self.assessments[-1].by is Author.TARGET
            return Origin.ESCALATED if is_by_target else Origin.DRAFT
        return Origin.SALVAGED if self.kept else Origin.TARGET

    def keeping(self, drafted: WrittenStep, accepted_prefix: Sequence[Token]) -> Outcome:
        """The same outcome, with the prefix that stands of a step that does not stand as a whole."""
        if self.stands:
            return self
        kept = drafted.text if self.decision is Decision.ACCEPT else "".join(token.text for token in accepted_prefix)
        count = drafted.tokens if self.decision is Decision.ACCEPT else len(accepted_prefix)
        return replace(self, kept=kept, kept_tokens=count) if kept.strip() else self

    def step(self, n: int, drafted: WrittenStep, rewritten: WrittenStep | None = None) -> Step:
        """Step `n` as it is to be committed: as drafted, or as the target has rewritten it."""
        written = rewritten or drafted
        return Step(
            n,
            self.origin,
            self.kept + written.text,
            self.kept_tokens + written.tokens,
            written.ended,
            seconds=0.0,
            assessments=self.assessments,
            confidence=self.confidence,
            threshold=self.threshold,
            rejected_text=drafted.text if rewritten else None,
            cause=self.cause,
            kept=self.kept,
            kept_tokens=self.kept_tokens,
        )
