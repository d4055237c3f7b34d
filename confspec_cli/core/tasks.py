"""Kinds of work, as data: what each puts before a model, how its steps are cut and what its answer looks like.

The default is `math`: it suits every question that is reasoned out. `plain` adds nothing to what was asked.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from confspec_cli.core import prompts
from confspec_cli.core.grading import Answer


class TaskName(str, Enum):
    """The kinds of work there are."""

    MATH = "math"
    QA = "qa"
    CODE = "code"
    PLAIN = "plain"


@dataclass(frozen=True, slots=True)
class Task:
    """One kind of work.

    `system` is the system prompt of models that reason in their reply, `system_thinking` that of models that think
    first; either may be empty. `question` names what a model is asked about a step, where a pair has none of its own
    for this work. `conclusion` begins the answer when the reasoning is cut short.
    """

    name: TaskName
    system: str
    system_thinking: str
    question: str
    answer: Answer
    conclusion: str


TASKS = {
    task.name: task
    for task in (
        Task(TaskName.MATH, prompts.SYSTEM, "", "correct", Answer.BOXED, "Final answer: "),
        Task(TaskName.QA, prompts.QA_SYSTEM, prompts.QA_AFTER_THINKING, "correct", Answer.CHOICE, "Answer: "),
        Task(TaskName.CODE, prompts.CODE_SYSTEM, "", "works", Answer.CODE, "The complete code:\n\n"),
        Task(TaskName.PLAIN, "", "", "correct", Answer.NONE, "In short: "),
    )
}
