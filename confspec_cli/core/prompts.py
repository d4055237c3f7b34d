"""Every string a model ever sees, apart from its own chat template and what people write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from confspec_cli.core.thinking import THINK_CLOSE

SYSTEM = (
    "Reason step by step, with a blank line between steps. "
    "If the answer is a number or a formula, put it in \\boxed{} at the end."
)

QA_SYSTEM = (
    "Reason step by step, with a blank line between steps. "
    'End with a line "Answer: X", where X is the letter of the right choice, or the answer itself where there are none.'
)
QA_AFTER_THINKING = (
    'End your reply with a line "Answer: X", where X is the letter of the right choice, '
    "or the answer itself where there are none."
)
CODE_SYSTEM = (
    "First plan in a few short steps, with a blank line between them. "
    "Then write the complete code in one fenced code block, and nothing after it."
)

STOP_THINKING = (
    "Considering the limited time by the user, I have to give the solution based on the thinking directly now.\n"
    f"{THINK_CLOSE}\n\n"
)
"""What closes a thought that is cut short; the words are those of the Qwen3 report (arXiv:2505.09388)."""


AS_JSON = "Give the answer as one JSON object, and nothing else."


def in_form(schema: str) -> str:
    """What asks for an answer as JSON of that schema."""
    return f"Give the answer as one JSON value that fits this JSON schema, and nothing else:\n{schema}"


SUMMARISE = (
    "Sum up our conversation so far in a few sentences: what was asked, every result that was found, "
    "and every wish of mine that still holds."
)
"""Asked when the context is full; the models then read it and its answer in place of the turns it sums up."""


def attached(name: str, text: str) -> str:
    """A file as it goes before a message: its text below its name, between fences longer than any in it."""
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence, text = "`" * (longest + 1), text.rstrip("\n")
    return f"{name}:\n{fence}\n{text}\n{fence}"


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked about the last step: the text, and what each label says of the step (1 right, 0 wrong).

    `prefill` is what its answer is made to begin with, before the label.
    """

    text: str
    labels: Mapping[str, float]
    prefill: str = ""


_YES_NO = {"Yes": 1.0, "No": 0.0}

QUESTIONS = {
    "correct": Question("Is the last step above correct? Answer Yes or No.", _YES_NO),
    "careful": Question(
        "Check the last step above carefully: does it follow from the problem and the steps before it, "
        "and is every calculation in it right? Answer Yes or No.",
        _YES_NO,
    ),
    "mistake": Question("Does the last step above contain a mistake? Answer Yes or No.", {"Yes": 0.0, "No": 1.0}),
    "works": Question(
        "Is the last part above correct: does it do what the task asks, without a mistake? Answer Yes or No.", _YES_NO
    ),
    "choice": Question("The last step above is: (A) correct (B) wrong. Answer A or B.", {"A": 1.0, "B": 0.0}),
}

RATING = Question(
    "Rate the last step above from 0 (useless or wrong) to 9 (right and helpful). Answer with one digit.",
    {str(digit): digit / 9 for digit in range(10)},
)
"""A rating, whose expected value is a signal."""

SPECREASON_RATING = Question(RATING.text, RATING.labels, prefill="I think the quality score is: ")
"""The form of SpecReason (arXiv:2504.07891), which accepts a step that is rated 7 or more; the wording is ours."""

RATING_THRESHOLD = 7 / 9
