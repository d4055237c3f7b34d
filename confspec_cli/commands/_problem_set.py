"""What `bench` and `calibrate` make sure of before they load a model: that every reply can be graded."""

from __future__ import annotations

import sys
from collections.abc import Sequence

from confspec_cli.evaluate.grader import require_graders
from confspec_cli.evaluate.problems import Problem, text_answers
from confspec_cli.render.console import put


def check(problems: Sequence[Problem]) -> None:
    """Warn of answers that are compared as text. Raises UsageError for what cannot be graded here."""
    require_graders(problems)
    if told := text_answers(problems):
        put(sys.stderr, f"warning: {told}\n")
