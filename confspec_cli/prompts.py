"""Every string a model ever sees, apart from its own chat template and what people write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SYSTEM = (
    "Reason step by step, with a blank line between steps. "
    "If the answer is a number or a formula, put it in \\boxed{} at the end."
)

SUMMARISE = (
    "Sum up our conversation so far in a few sentences: what was asked, every result that was found, "
    "and every wish of mine that still holds."
)
"""Asked when the context is full; the models then read it and its answer in place of the turns it sums up."""


@dataclass(frozen=True, slots=True)
class Question:
    """What a model is asked about the last step: the text, and what each label says of the step (1 right, 0 wrong)."""

    text: str
    labels: Mapping[str, float]


_YES_NO = {"Yes": 1.0, "No": 0.0}

QUESTIONS = {
    "correct": Question("Is the last step above correct? Answer Yes or No.", _YES_NO),
    "careful": Question(
        "Check the last step above carefully: does it follow from the problem and the steps before it, "
        "and is every calculation in it right? Answer Yes or No.",
        _YES_NO,
    ),
    "mistake": Question("Does the last step above contain a mistake? Answer Yes or No.", {"Yes": 0.0, "No": 1.0}),
    "choice": Question("The last step above is: (A) correct (B) wrong. Answer A or B.", {"A": 1.0, "B": 0.0}),
}

RATING = Question(
    "Rate the last step above from 0 (useless or wrong) to 9 (right and helpful). Answer with one digit.",
    {str(digit): digit / 9 for digit in range(10)},
)
"""The form of SpecReason (arXiv:2504.07891), which accepts a step from 7 of 9."""

RATING_THRESHOLD = 7 / 9
