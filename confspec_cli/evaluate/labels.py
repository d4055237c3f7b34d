"""Steps with labels: what the models make of a drafted step, and whether the answer survives it.

The target solves a problem alone. Where it does, the draft writes the solution step by step; after each step the target
finishes it from there, and the step is right when the answer still is. Where no answer is known, a step is right when
the target, asked, says so. A step that is wrong is on record, and the target's own goes on in its place: so each step
is met behind nothing but right ones.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event, RunFinished, StepCommitted, StepJudged, from_dict, to_dict
from confspec_cli.core.gate import Decision, Gate, Signal, gate_target
from confspec_cli.core.messages import Prompt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.steps import Splitter
from confspec_cli.core.trace import Assessment, Author, FinishReason, WrittenStep
from confspec_cli.core.verify import Verifier
from confspec_cli.core.writing import GenerationRequest, Writer
from confspec_cli.errors import ContextFull
from confspec_cli.evaluate.grader import grade
from confspec_cli.evaluate.problems import AnswerKind, Problem
from confspec_cli.runtime.build_prompt import prompt_of

_MOST_STEPS = 12
_ASKED = Gate(Signal.VERDICT)


@dataclass(frozen=True, slots=True)
class Labelled:
    """One drafted step of a problem: its two readings, whether it was right, and what it and the target's own cost.

    Seconds: `drafting` the step, `rewriting` as many tokens at the target's measured pace. `drafted` and `read` are the
    log-probabilities of its tokens to the draft and to the target.
    """

    problem: str
    n: int
    draft: Assessment
    target: Assessment
    is_right: bool
    tokens: int
    drafting: float
    rewriting: float
    drafted: tuple[float, ...]
    read: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Chains:
    """The labelled steps of the problems tried: `solved` says of each whether the target alone has it right."""

    solved: Mapping[str, bool]
    steps: Sequence[Labelled]


class Labeller:
    """Labels the steps of problems. `rules` are those of the pair; `clock` gives seconds."""

    def __init__(self, models: Mapping[Author, Engine], config: RunConfig, clock: Callable[[], float]) -> None:
        self._models = models
        self._rules = replace(config, asks=True)
        self._clock = clock
        self._judge = Verifier(models, config.question, clock)

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
        prompt = prompt_of(problem.prompt, problem.system, self._models, (), self._rules)
        alone, pace = self._finish(prompt)
        solved = problem.kind is AnswerKind.NONE or grade(problem, alone).correct is True
        steps = list(self._chain(problem, prompt, pace)) if solved else []
        return {"solved": solved, "steps": steps}

    def _chain(self, problem: Problem, prompt: Prompt, pace: float) -> Iterator[dict[str, Any]]:
        for n in range(1, _MOST_STEPS + 1):
            written_step = self._written(Author.DRAFT, n, prompt)
            assessment = self._judge.draft(prompt, written_step)
            final, read = self._judge.target(prompt, written_step)
            drafted = self._models[Author.DRAFT].score(prompt, written_step.text, written_step.ended)
            extended = replace(prompt, reply=(*prompt.reply, written_step.text))
            right = self._is_right(problem, final, extended, written_step.ended)
            judged = [to_dict(StepJudged(n, one, Decision.ESCALATE, None, None)) for one in (assessment, final)]
            yield {
                "n": n,
                "right": right,
                "tokens": written_step.tokens,
                "drafting": written_step.seconds,
                "rewriting": written_step.tokens * pace,
                "drafted": [round(token.logprob, 4) for token in drafted],
                "read": [round(token.logprob, 4) for token in read],
                "judged": judged,
            }
            ended = written_step.ended
            if not right:
                own = self._written(Author.TARGET, n, prompt)
                extended, ended = replace(prompt, reply=(*prompt.reply, own.text)), own.ended
            if ended:
                return
            prompt = extended

    def _is_right(self, problem: Problem, final: Assessment, extended: Prompt, ended: bool) -> bool:
        """Whether the last step stands: the target's word for it where no answer is known, else what comes of it."""
        if problem.kind is AnswerKind.NONE:
            return gate_target(final, _ASKED) is Decision.ACCEPT
        said = "" if ended else self._finish(extended)[0]
        return grade(problem, "".join(extended.reply) + said).correct is True

    def _written(self, author: Author, n: int, prompt: Prompt) -> WrittenStep:
        """The next step, as one model writes it."""
        config = self._rules
        writer = Writer(self._models, Splitter(config.min_step_chars, config.task.cuts_code), self._clock)
        for step in prompt.reply:
            if not writer.splitter.passes(step):
                writer.splitter.force()
        events = writer.write(author, GenerationRequest(n, prompt, config.sampling, config.max_step_tokens))
        while True:
            try:
                next(events)
            except StopIteration as done:
                written_step: WrittenStep = done.value
                return written_step

    def _finish(self, prompt: Prompt) -> tuple[str, float]:
        """What the target writes on to the end, and its seconds per token. Raises ContextFull short of the end."""
        config = replace(self._rules, mode=Mode.TARGET)
        target = {Author.TARGET: self._models[Author.TARGET]}
        events: list[Event] = list(ReasoningRun(prompt, target, config, self._clock).events())
        said = "".join(event.step.text for event in events if isinstance(event, StepCommitted))
        tokens = sum(event.step.tokens for event in events if isinstance(event, StepCommitted))
        finished = events[-1]
        assert isinstance(finished, RunFinished)
        if finished.reason is FinishReason.CONTEXT:
            raise ContextFull("The context is full before the answer is complete.")
        return said + finished.partial, finished.seconds / max(tokens, 1)


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
        record["drafting"],
        record["rewriting"],
        tuple(record["drafted"]),
        tuple(record["read"]),
    )
