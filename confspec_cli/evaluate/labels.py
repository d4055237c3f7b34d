"""Labelled steps: what both models make of a drafted step, and whether the answer survives it.

The target solves a problem alone. If it does, the draft writes the solution step by step; after each step the target
finishes the reply from there, and the step is right if the answer still is. Where no answer is known, a step is right
if the target, asked, says so. A wrong step is recorded and the target's own takes its place, so that every step follows
right ones only.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event, RunFinished, StepCommitted, StepJudged, from_dict, to_dict
from confspec_cli.core.gate import Decision, Gate, Signal, gate_target
from confspec_cli.core.messages import Prompt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.steps import Splitter
from confspec_cli.core.thinking import reply_of
from confspec_cli.core.trace import Assessment, Author, FinishReason, WrittenStep
from confspec_cli.core.verify import Verifier
from confspec_cli.core.writing import GenerationRequest, Writer
from confspec_cli.errors import ContextFull
from confspec_cli.evaluate.grader import grade
from confspec_cli.evaluate.problems import AnswerKind, Problem
from confspec_cli.runtime.build_prompt import prompt_of

_ASKED = Gate(Signal.VERDICT)


def _untimed() -> float:
    return 0.0


@dataclass(frozen=True, slots=True)
class Labelled:
    """One drafted step of a problem: both assessments, and whether it was right.

    `drafted` and `read` are the log-probabilities of its tokens to the draft and to the target. `repetition` is the
    share of its runs of three words that have been there before.
    """

    problem: str
    n: int
    draft: Assessment
    target: Assessment
    is_right: bool
    tokens: int
    drafted: tuple[float, ...]
    read: tuple[float, ...]
    repetition: float | None = None


@dataclass(frozen=True, slots=True)
class Chains:
    """The labelled steps of the problems tried: `solved` says of each whether the target alone has it right."""

    solved: Mapping[str, bool]
    steps: Sequence[Labelled]


class Labeller:
    """Labels the steps of problems. `config` is the pair's; its tokens are one budget, from a problem to its answer."""

    def __init__(self, models: Mapping[Author, Engine], config: RunConfig) -> None:
        self._models = models
        self._config = replace(config, asks=True)
        self._verifier = Verifier(models, config.question, _untimed)

    def record(self, problem: Problem) -> dict[str, Any]:
        """The record of a problem, JSON-ready, with its labelled steps; without any where the target fails alone.

        A problem that does not fit into a model's context is `skipped`.
        """
        known = {"record": "problem", "problem": problem.id, "problem_sha256": problem.sha256}
        try:
            return {**known, **self._labels(problem)}
        except ContextFull:
            return {**known, "solved": False, "skipped": True, "steps": []}

    def _labels(self, problem: Problem) -> dict[str, Any]:
        prompt = prompt_of(problem.prompt, problem.system, self._models, (), self._config)
        alone = self._finish(prompt, self._config.max_tokens)
        solved = problem.kind is AnswerKind.NONE or self._is_answer(problem, prompt, alone)
        steps = list(self._chain(problem, prompt)) if solved else []
        return {"solved": solved, "steps": steps}

    def _chain(self, problem: Problem, prompt: Prompt) -> Iterator[dict[str, Any]]:
        left = self._config.max_tokens
        for n in itertools.count(1):
            drafted = self._written(Author.DRAFT, n, prompt, left)
            own = self._verifier.draft(prompt, drafted)
            final, read = self._verifier.target(prompt, drafted)
            scored = self._models[Author.DRAFT].score(prompt, drafted.text, drafted.ended)
            extended = replace(prompt, reply=(*prompt.reply, drafted.text))
            right = self._is_right(problem, final, extended, 0 if drafted.ended else left - drafted.tokens)
            judged = [to_dict(StepJudged(n, one, Decision.ESCALATE, None, None)) for one in (own, final)]
            yield {
                "n": n,
                "right": right,
                "tokens": drafted.tokens,
                "repetition": round(repetition(drafted.text, "".join(prompt.reply)), 4),
                "drafted": [round(token.logprob, 4) for token in scored],
                "read": [round(token.logprob, 4) for token in read],
                "judged": judged,
            }
            written = drafted
            if not right:
                written = self._written(Author.TARGET, n, prompt, left)
                extended = replace(prompt, reply=(*prompt.reply, written.text))
            left -= max(written.tokens, 1)
            if written.ended or left <= 0:
                return
            prompt = extended

    def _is_right(self, problem: Problem, final: Assessment, extended: Prompt, left: int) -> bool:
        """Whether the last step stands: the target's word for it where no answer is known, else what comes of it.

        The target has `left` tokens to get from there to the answer.
        """
        if problem.kind is AnswerKind.NONE:
            return gate_target(final, _ASKED) is Decision.ACCEPT
        rest = self._finish(extended, left) if left > 0 else ""
        return self._is_answer(problem, extended, rest)

    def _is_answer(self, problem: Problem, prompt: Prompt, rest: str) -> bool:
        """Whether the reply in a prompt, with the rest of it, has the right answer behind its thinking."""
        thinks = any(engine.card.thinks for engine in self._models.values())
        return grade(problem, reply_of("".join(prompt.reply) + rest, prompt.think, thinks)).correct is True

    def _written(self, author: Author, n: int, prompt: Prompt, left: int) -> WrittenStep:
        """The next step, as one model writes it with so many tokens left."""
        config = self._config
        writer = Writer(self._models, Splitter(config.min_step_chars), _untimed)
        for step in prompt.reply:
            if not writer.splitter.passes(step):
                writer.splitter.force()
        events = writer.write(author, GenerationRequest(n, prompt, config.sampling, min(left, config.max_step_tokens)))
        while True:
            try:
                next(events)
            except StopIteration as done:
                written: WrittenStep = done.value
                return written

    def _finish(self, prompt: Prompt, left: int) -> str:
        """What the target writes on, by as many tokens as are left. Raises ContextFull short of the end."""
        config = replace(self._config, mode=Mode.TARGET, max_tokens=left)
        target = {Author.TARGET: self._models[Author.TARGET]}
        events: list[Event] = list(ReasoningRun(prompt, target, config, _untimed).events())
        said = "".join(event.step.text for event in events if isinstance(event, StepCommitted))
        finished = events[-1]
        assert isinstance(finished, RunFinished)
        if finished.reason is FinishReason.CONTEXT:
            raise ContextFull("The context is full before the answer is complete.")
        return said + finished.partial


def repetition(step: str, before: str) -> float:
    """The share of the runs of three words in a step that stand in the text before it, or earlier in the step."""
    known, again = set(_runs(before)), 0
    runs = _runs(step)
    for run in runs:
        again += run in known
        known.add(run)
    return again / len(runs) if runs else 0.0


def _runs(text: str) -> list[tuple[str, ...]]:
    words = text.split()
    return list(zip(words, words[1:], words[2:], strict=False))


def chains_of(records: Sequence[Mapping[str, Any]]) -> Chains:
    """The labelled steps in the records of problems that were not skipped."""
    solved = {record["problem"]: record["solved"] for record in records if not record.get("skipped")}
    return Chains(solved, [_labelled(record["problem"], step) for record in records for step in record["steps"]])


def _labelled(problem: str, record: Mapping[str, Any]) -> Labelled:
    draft, target = (event.assessment for item in record["judged"] if isinstance(event := from_dict(item), StepJudged))
    return Labelled(
        problem,
        record["n"],
        draft,
        target,
        record["right"],
        record["tokens"],
        tuple(record["drafted"]),
        tuple(record["read"]),
        record.get("repetition"),
    )
