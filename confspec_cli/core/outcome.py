"""What became of a drafted step: whether it stands, and if not, how much of its beginning does."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from confspec_cli.core.gate import Decision
from confspec_cli.core.messages import Token
from confspec_cli.core.trace import Assessment, Author, Cause, Origin, Step, WrittenStep


@dataclass(frozen=True, slots=True)
class Outcome:
    """The last word on a drafted step, and the record of how it came about.

    `reason` says why a step that does not stand is dropped. `kept` is the beginning of it that stands all the same,
    `kept_tokens` long, and the target writes on from there.
    """

    decision: Decision
    reason: str
    assessments: tuple[Assessment, ...] = ()
    confidence: float | None = None
    threshold: float | None = None
    cause: Cause | None = None
    kept: str = ""
    kept_tokens: int = 0

    @property
    def stands(self) -> bool:
        """Whether the step is committed as it was drafted."""
        return self.decision is Decision.ACCEPT and self.reason != "unsure"

    @property
    def origin(self) -> Origin:
        """How the committed step came to be."""
        if self.stands:
            return Origin.ESCALATED if self.assessments[-1].by is Author.TARGET else Origin.DRAFT
        return Origin.SALVAGED if self.kept else Origin.TARGET

    def keeping(self, drafted: WrittenStep, accepted_prefix: Sequence[Token]) -> Outcome:
        """The same, with what stands of a step that does not stand as a whole."""
        if self.stands:
            return self
        kept = drafted.text if self.decision is Decision.ACCEPT else "".join(token.text for token in accepted_prefix)
        count = drafted.tokens if self.decision is Decision.ACCEPT else len(accepted_prefix)
        return replace(self, kept=kept, kept_tokens=count) if kept.strip() else self

    def over(self, step: Step, drafted: WrittenStep) -> Step:
        """The record of a committed step, with how it was decided."""
        step = replace(
            step,
            assessments=self.assessments,
            confidence=self.confidence,
            threshold=self.threshold,
            cause=self.cause or step.cause,
        )
        if self.stands:
            return step
        return replace(
            step,
            text=self.kept + step.text,
            tokens=self.kept_tokens + step.tokens,
            rejected_text=drafted.text,
            kept=self.kept,
            kept_tokens=self.kept_tokens,
        )
