"""Checks of `bench` and `calibrate` before loading a model: replies can be graded, and running code is allowed."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from confspec_cli.errors import UsageError
from confspec_cli.evaluate.grader import require_graders
from confspec_cli.evaluate.problems import AnswerKind, Problem, text_answers
from confspec_cli.evaluate.sandbox import walls
from confspec_cli.models.yaml_editing import put as keep
from confspec_cli.render.console import put
from confspec_cli.runtime.folders import own_file
from confspec_cli.runtime.resolve import user_registry

AllowCodeFlag = Annotated[
    bool,
    typer.Option(
        "--allow-code-execution",
        help="Run the code that models write against its tests, in a sandbox. Without it you are asked once.",
        envvar="CONFSPEC_ALLOW_CODE_EXECUTION",
    ),
]


def check(problems: Sequence[Problem], allow_code: bool, quiet: bool) -> None:
    """Warn about answers that are compared as text. Raises UsageError for problems that cannot or may not be graded."""
    require_graders(problems)
    if told := text_answers(problems):
        put(sys.stderr, f"warning: {told}\n")
    if any(problem.kind is AnswerKind.CODE for problem in problems):
        if not (allow_code or user_registry().settings.allow_code_execution):
            _ask_to_run_code()
        if not quiet:
            put(sys.stderr, f"model-written code runs in: {walls()}\n")


def _ask_to_run_code() -> None:
    """Ask, once and for all, whether code written by a model may run. Raises UsageError unless the answer is yes."""
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError("Grading these problems runs code that the models write.", "add --allow-code-execution")
    question = f"Grading these problems runs code that the models write, in a sandbox ({walls()}). Allow it for good?"
    if not typer.confirm(question, default=False, err=True):
        raise UsageError(
            "These problems cannot be graded without running model-written code.", "add --allow-code-execution"
        )
    keep(own_file(), (("settings", "allow_code_execution"), True))
    put(sys.stderr, f"Saved to {own_file()}: settings: {{allow_code_execution: true}}\n")
