"""Running a benchmark: every problem in every mode, one after the other, each from an empty cache.

The modes of a problem follow each other at once and take turns at going first, so that a machine that drifts treats all
alike. Models on servers can solve several problems at once. Knows problems, engines and records; refuses to know where
they come from and go to.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event, RunFinished
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import RunConfig, authors
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import EngineError, ServerError
from confspec_cli.evaluate.grader import Graded, grade
from confspec_cli.evaluate.problems import Problem
from confspec_cli.evaluate.results import Run, run_of
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.crew import Crew


@dataclass(frozen=True, slots=True)
class Bench:
    """A benchmark about to run: the loaded models, and the rules of each mode by its name and the kind of work."""

    crew: Crew
    config: Mapping[str, Mapping[TaskName, RunConfig]]
    clock: Callable[[], float] = time.perf_counter

    def runs(self, problems: Sequence[Problem], done: set[tuple[str, str]]) -> Iterator[Run]:
        """Every run that is not yet `done`, by problem and mode, as it ends; an interrupted one is none."""
        modes = list(self.config)
        self._warm_up()
        todo = [
            (problem, mode)
            for turn, problem in enumerate(problems)
            for mode in modes[turn % len(modes) :] + modes[: turn % len(modes)]
            if (problem.id, mode) not in done
        ]
        yield from filter(None, self.crew.in_order(todo, lambda models, one: self._run(models, *one)))

    def _run(self, crew: Mapping[Author, Engine], problem: Problem, mode: str) -> Run | None:
        by_task = self.config[mode]
        config = by_task.get(problem.task) or next(iter(by_task.values()))
        models = {author: crew[author] for author in authors(config.mode)}
        events: list[Event] = []
        error = None
        for engine in models.values():
            engine.reset()
        try:
            prompt = prompt_of(problem.prompt, problem.system, models, (), config)
            events.extend(ReasoningRun(prompt, models, config, self.clock).events())
        except EngineError as failure:
            if isinstance(failure, ServerError) and failure.is_away:
                raise  # it would be so with every other problem
            error = str(failure)
        finished = events[-1] if not error and events and isinstance(events[-1], RunFinished) else None
        if self.crew.interrupt.is_set():
            return None
        graded = grade(problem, finished.reply) if finished else Graded(None, "nothing: it failed")
        return run_of(problem, mode, events, (graded.correct, graded.by), error)

    def _warm_up(self) -> None:
        """Have every model write a little, so that no run pays for weights that are read for the first time."""
        for engine in self.crew.sets[0].values():
            for _ in engine.generate(Prompt((Message("user", "Hello."),)), Sampling(), 4):
                pass
