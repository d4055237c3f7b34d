"""Recorded runs for tests: the events a cascade yields, with times that add up."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

from confspec_cli.core.events import (
    Event,
    RunFinished,
    RunStarted,
    StepCommitted,
    StepDropped,
    StepJudged,
    StepOpened,
    StepWritten,
    TextWritten,
    Warned,
)
from confspec_cli.core.gate import Decision
from confspec_cli.core.messages import ModelCard
from confspec_cli.core.trace import (
    Assessment,
    Author,
    DropReason,
    FinishReason,
    Likelihood,
    Origin,
    Step,
    Verdict,
    WrittenStep,
)

DRAFT = ModelCard("qwen3-0.6b", "draft.gguf", 639_446_688, 4096, "Q8_0", "ab" * 32, 28, True)
TARGET = ModelCard("qwen3-8b", "target.gguf", 5_027_783_488, 4096, "Q4_K_M", "cd" * 32, 36, True)


@dataclass
class Recorder:
    """Writes down the events of a run, step by step: one second a draft, two a rewriting, a tenth a judgement."""

    think: bool = False
    mode: str = "confspec"
    events: list[Event] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        parameters: dict[str, str | int | float | bool | None] = {
            "accept": 0.95,
            "seed": 7,
            "max_tokens": 512,
            "think": self.think,
        }
        models = {"draft": replace(DRAFT, thinks=self.think), "target": replace(TARGET, thinks=self.think)}
        self.events.append(RunStarted("What is 6 * 7?", "", self.mode, models, parameters))

    def draft(self, text: str, p: float = 0.99) -> None:
        """A step the draft writes and accepts."""
        written_step = self._write(Author.DRAFT, text, provisional=True)
        self._commit(
            Origin.DRAFT, written_step, (self._judge(written_step, Author.DRAFT, p, Decision.ACCEPT, 0.95),), 0.95
        )

    def escalated(self, text: str, p: float = 0.6, target_p: float = 0.9) -> None:
        """A step the draft is unsure of, and the target accepts."""
        written_step = self._write(Author.DRAFT, text, provisional=True)
        unsure = self._judge(written_step, Author.DRAFT, p, Decision.ESCALATE, 0.95)
        sure = self._judge(written_step, Author.TARGET, target_p, Decision.ACCEPT, 0.5)
        self._commit(Origin.ESCALATED, written_step, (unsure, sure), 0.5)

    def target(self, dropped: str, text: str) -> None:
        """A step the target rejects and writes again."""
        written_step = self._write(Author.DRAFT, dropped, provisional=True)
        unsure = self._judge(written_step, Author.DRAFT, 0.4, Decision.ESCALATE, 0.95)
        against = self._judge(written_step, Author.TARGET, 0.1, Decision.REJECT, 0.5)
        self.events.append(StepDropped(self.n, written_step, DropReason.REJECTED))
        again = self._write(Author.TARGET, text, provisional=False)
        self._commit(Origin.TARGET, again, (unsure, against), 0.5, dropped)

    def salvaged(self, kept: str, dropped: str, rest: str) -> None:
        """A step whose beginning the target keeps and whose end it writes again."""
        written_step = self._write(Author.DRAFT, kept + dropped, provisional=True)
        unsure = self._judge(written_step, Author.DRAFT, 0.4, Decision.ESCALATE, 0.95)
        against = self._judge(written_step, Author.TARGET, 0.1, Decision.REJECT, 0.5)
        tokens = len(pieces(kept))
        self.events.append(StepDropped(self.n, written_step, DropReason.REJECTED, kept, tokens))
        again = self._write(Author.TARGET, rest, provisional=False)
        whole = replace(again, text=kept + rest, tokens=tokens + again.tokens)
        self._commit(Origin.SALVAGED, whole, (unsure, against), 0.5, kept + dropped)
        step = replace(self.steps[-1], kept=kept, kept_tokens=tokens)
        self.steps[-1] = step
        self.events[-1] = StepCommitted(step)

    def sole(self, author: Author, text: str) -> None:
        """A step in a mode where nothing is judged."""
        self._commit(Origin(author.value), self._write(author, text, provisional=False), (), None)

    def begin(self, author: Author, text: str, provisional: bool) -> None:
        """A step that is never finished."""
        self.events.append(StepOpened(self.n, author, provisional))
        self.events += [TextWritten(self.n, author, piece) for piece in pieces(text)]

    def warn(self, message: str) -> None:
        """A warning."""
        self.events.append(Warned(message))

    def finish(self, reason: str = "stop", partial: str = "", answer: str | None = None) -> list[Event]:
        """The last event; returns them all."""
        text = "".join(step.text for step in self.steps) + partial
        reply = text.partition("</think>")[2].lstrip("\n") if self.think else text
        self.events.append(RunFinished(FinishReason(reason), reply, partial, answer, self.seconds))
        return self.events

    @property
    def n(self) -> int:
        """The step being written."""
        return len(self.steps) + 1

    def _write(self, author: Author, text: str, provisional: bool) -> WrittenStep:
        self.begin(author, text, provisional)
        seconds = 1.0 if author is Author.DRAFT else 2.0
        self.seconds += seconds
        likelihood = Likelihood(-0.2, math.log(0.4), len(pieces(text)), len(pieces(text)))
        written_step = WrittenStep(author, text, len(pieces(text)), False, likelihood, seconds, 0.25)
        self.events.append(StepWritten(self.n, written_step))
        return written_step

    def _judge(
        self, written_step: WrittenStep, by: Author, p: float, decision: Decision, threshold: float
    ) -> Assessment:
        self.seconds += 0.125
        assessment = Assessment(by, Verdict(p, 0.98), written_step.likelihood, 0.125)
        self.events.append(StepJudged(self.n, assessment, decision, p, threshold))
        return assessment

    def _commit(
        self,
        origin: Origin,
        written_step: WrittenStep,
        assessments: tuple[Assessment, ...],
        threshold: float | None,
        rejected: str | None = None,
    ) -> None:
        verdict = assessments[-1].verdict if assessments else None
        signal = verdict.p if verdict else None
        seconds = self.seconds - sum(step.seconds for step in self.steps)
        step = Step(
            self.n,
            origin,
            written_step.text,
            written_step.tokens,
            False,
            seconds,
            assessments,
            signal,
            threshold,
            rejected,
        )
        self.steps.append(step)
        self.events.append(StepCommitted(step))


def pieces(text: str) -> list[str]:
    """A text in pieces as a model would write them, some in mid-word."""
    return [text[start : start + 4] for start in range(0, len(text), 4)]


def sample() -> list[Event]:
    """A run with a step of every origin, a rejected draft and a final answer."""
    run = Recorder()
    run.draft("We need the product of 6 and 7.\n\n")
    run.escalated("Six sevens can be added up: 7 + 7 + 7 + 7 + 7 + 7.\n\n")
    run.target("That makes 44.\n\n", "That makes 42, as 14 + 14 + 14 = 42.\n\n")
    run.draft("The answer is **42**.")
    return run.finish(answer="42")


def texts(events: list[Event]) -> Iterator[str]:
    """The committed texts of a run."""
    return (event.step.text for event in events if isinstance(event, StepCommitted))
