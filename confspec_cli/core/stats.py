"""The statistics of a run, folded from its events: steps by origin, tokens by author, seconds by phase.

Every rate keeps its denominator.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from confspec_cli.core.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepDropped,
    StepJudged,
    StepWritten,
)
from confspec_cli.core.gate import Decision
from confspec_cli.core.trace import Author, Cause, Origin

_FEW = 8  # tokens from which the target's pace cannot be told


@dataclass(frozen=True, slots=True)
class Rate:
    """`part` of `whole` steps."""

    part: int
    whole: int

    @property
    def share(self) -> float | None:
        """A fraction in 0..1; None where `whole` is 0."""
        return self.part / self.whole if self.whole else None


@dataclass(slots=True)
class RunStats:
    """The sums over the events added so far. Tokens are counted by their author's tokenizer, times are in seconds.

    `draft_decisions` and `target_decisions` count what each model's assessment of a drafted step decided. Each model's
    time is spent on `decode`, `prefill` (of what the other model wrote) and `verification`. Of the tokens `written`,
    `speculation_accepted` needed no decode, as they had been proposed; `speculation_proposed` is how many were.
    `tokens` are committed, or were cut off and kept. The target wrote `undrafted` steps because drafting did not pay.
    `target_intervals` times it decoded one token after another, and it spent `prompt_seconds` on reading prompts.
    `costs` by currency are what models that have a price charged, `target_alone` about what the target alone would
    have charged.
    """

    steps: dict[Origin, int] = field(default_factory=lambda: dict.fromkeys(Origin, 0))
    draft_decisions: dict[Decision, int] = field(default_factory=lambda: dict.fromkeys(Decision, 0))
    target_decisions: dict[Decision, int] = field(default_factory=lambda: dict.fromkeys(Decision, 0))
    tokens: dict[Author, int] = field(default_factory=lambda: dict.fromkeys(Author, 0))
    speculation_accepted: dict[Author, int] = field(default_factory=lambda: dict.fromkeys(Author, 0))
    speculation_proposed: dict[Author, int] = field(default_factory=lambda: dict.fromkeys(Author, 0))
    written: dict[Author, int] = field(default_factory=lambda: dict.fromkeys(Author, 0))
    wasted_tokens: int = 0
    undrafted: int = 0
    decode: dict[Author, float] = field(default_factory=lambda: dict.fromkeys(Author, 0.0))
    prefill: dict[Author, float] = field(default_factory=lambda: dict.fromkeys(Author, 0.0))
    verification: dict[Author, float] = field(default_factory=lambda: dict.fromkeys(Author, 0.0))
    target_intervals: int = 0
    prompt_seconds: float = 0.0
    finished_seconds: float | None = None
    costs: dict[str, float] = field(default_factory=dict)
    target_alone: dict[str, float] = field(default_factory=dict)
    _carried: int = 0  # steps to come that an earlier run committed: they took this one nothing
    _run_tokens: int = 0  # committed since the run began
    _has_target_read: bool = False  # in this run
    _is_cut_off: bool = False  # time went into tokens that were never committed

    def add(self, event: Event) -> None:
        """Count one event."""
        match event:
            case RunStarted(continues=carried):
                self._run_tokens, self._has_target_read, self._carried = 0, False, carried or 0
            case StepWritten(written_step=written_step):
                if written_step.author is Author.TARGET:
                    self._note_target_read(written_step.prefill_seconds, written_step.prefill_tokens)
                    self.target_intervals += max(written_step.tokens + written_step.ended - 1, 0)
                self.prefill[written_step.author] += written_step.prefill_seconds
                self.decode[written_step.author] += written_step.seconds - written_step.prefill_seconds
                self.speculation_accepted[written_step.author] += written_step.speculation_accepted
                self.speculation_proposed[written_step.author] += (
                    written_step.speculation_batch_tokens - written_step.speculation_batches
                )
                self.written[written_step.author] += written_step.tokens
            case StepJudged(assessment=assessment, decision=decision):
                if assessment.by is Author.TARGET:
                    self._note_target_read(assessment.prefill_seconds, assessment.prefill_tokens)
                self.verification[assessment.by] += assessment.seconds
                self.prefill[assessment.by] += assessment.prefill_seconds
                counts = self.draft_decisions if assessment.by is Author.DRAFT else self.target_decisions
                counts[decision] += 1
            case StepDropped(written_step=written_step, kept_tokens=kept):
                self.wasted_tokens += max(written_step.tokens - kept, 0)
            case StepCommitted(step=step) if self._carried:
                self._carried -= 1
                self._run_tokens += step.tokens
            case StepCommitted(step=step):
                self.steps[step.origin] += 1
                self._run_tokens += step.tokens
                by_target = step.tokens - step.kept_tokens if step.origin in (Origin.TARGET, Origin.SALVAGED) else 0
                self.undrafted += step.cause is Cause.NOT_PAYING
                self.tokens[Author.TARGET] += by_target
                self.tokens[Author.DRAFT] += step.tokens - by_target
            case RunFinished():
                self._finish(event)

    def _finish(self, event: RunFinished) -> None:
        self.finished_seconds = event.seconds
        self._is_cut_off = self._is_cut_off or bool(event.partial)
        if event.partial_author:
            self.tokens[event.partial_author] += event.partial_tokens
        for bills, costs in ((event.bills.values(), self.costs), ([event.target_alone], self.target_alone)):
            for bill in filter(None, bills):
                costs[bill.currency] = costs.get(bill.currency, 0.0) + bill.cost

    def _note_target_read(self, seconds: float, tokens: int) -> None:
        """The first time in a run the target reads the prompt, and with it the steps that stand by then."""
        if not self._has_target_read:
            self._has_target_read = True
            self.prompt_seconds += seconds * max(tokens - self._run_tokens, 0) / tokens if tokens else seconds

    @property
    def accepted(self) -> Rate:
        """Steps accepted by the draft, of those it assessed."""
        return Rate(self.draft_decisions[Decision.ACCEPT], sum(self.draft_decisions.values()))

    @property
    def escalated(self) -> Rate:
        """Steps the draft left to the target, of those it assessed."""
        return Rate(self.draft_decisions[Decision.ESCALATE], sum(self.draft_decisions.values()))

    @property
    def accepted_by_target(self) -> Rate:
        """Steps the target accepted, of those it was asked about."""
        return Rate(self.target_decisions[Decision.ACCEPT], sum(self.target_decisions.values()))

    @property
    def total_tokens(self) -> int:
        """Tokens of the reply, those of a step that was cut off included."""
        return sum(self.tokens.values())

    @property
    def target_share(self) -> float | None:
        """The fraction of the committed tokens that the target wrote."""
        return self.tokens[Author.TARGET] / self.total_tokens if self.total_tokens else None

    @property
    def accounted_seconds(self) -> float:
        """The time spent inside the models, as far as the events tell."""
        return sum(sum(phase.values()) for phase in (self.decode, self.prefill, self.verification))

    @property
    def seconds(self) -> float:
        """The time of the whole run; before its end, the time accounted for."""
        return self.accounted_seconds if self.finished_seconds is None else self.finished_seconds

    @property
    def verification_share(self) -> float | None:
        """The fraction of the time that both models spent on verification."""
        return sum(self.verification.values()) / self.seconds if self.seconds else None

    @property
    def tokens_per_second(self) -> float | None:
        """Committed tokens over the time of the whole run."""
        return self.total_tokens / self.seconds if self.seconds else None

    @property
    def estimated_speedup(self) -> float | None:
        """How many times as fast this was as the target alone would have been: what was committed at the target's pace.

        None where nothing was drafted, the target wrote too little to show its pace, or a step was cut off.
        """
        if self._is_cut_off or not self.written[Author.DRAFT] or self.target_intervals < _FEW or not self.seconds:
            return None
        pace = self.decode[Author.TARGET] / self.target_intervals
        return (self.prompt_seconds + self.total_tokens * pace) / self.seconds

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready dictionary; a rate over nothing is null."""
        return {
            "steps": {"total": sum(self.steps.values()), **_named(self.steps), "undrafted": self.undrafted},
            "verified_by_draft": {"steps": self.accepted.whole, **_named(self.draft_decisions)},
            "verified_by_target": {
                "steps": self.accepted_by_target.whole,
                "accept": self.target_decisions[Decision.ACCEPT],
                "reject": self.target_decisions[Decision.REJECT],
            },
            "tokens": {
                "total": self.total_tokens,
                **_named(self.tokens),
                "target_share": self.target_share,
                "wasted": self.wasted_tokens,
            },
            "seconds": {
                "total": self.seconds,
                "draft_decode": self.decode[Author.DRAFT],
                "draft_prefill": self.prefill[Author.DRAFT],
                "draft_verification": self.verification[Author.DRAFT],
                "target_decode": self.decode[Author.TARGET],
                "target_prefill": self.prefill[Author.TARGET],
                "target_verification": self.verification[Author.TARGET],
            },
            "verification_share": self.verification_share,
            "tokens_per_second": self.tokens_per_second,
            "estimated_speedup": self.estimated_speedup,
            "cost": {"total": self.costs, "target_alone": self.target_alone} if self.costs else None,
        }


def fold(events: Iterable[Event]) -> RunStats:
    """The statistics of a sequence of events."""
    stats = RunStats()
    for event in events:
        stats.add(event)
    return stats


def _named(counts: dict[Origin, int] | dict[Decision, int] | dict[Author, int]) -> dict[str, int]:
    return {key.value: count for key, count in counts.items()}
