"""Grading a reply against the known answer of its problem, and saying what graded it."""

from __future__ import annotations

import logging
import re
import textwrap
from dataclasses import dataclass

from confspec_cli.core.grading import Answer, code_blocks, final_answer, same_answer
from confspec_cli.evaluate.problems import AnswerKind, Problem
from confspec_cli.evaluate.sandbox import passes

_QUANTITY = re.compile(r"(?:[A-Za-z]+ +)*\$?(-?[\d,]*\.?\d+)%?(?: +[A-Za-z]+)*\.?")  # and the words around it


@dataclass(frozen=True, slots=True)
class Graded:
    """Whether a reply is right, and what says so; None where there is none."""

    correct: bool | None
    by: str


def grade(problem: Problem, reply: str) -> Graded:
    """Grade a reply; one without an answer is wrong."""
    if problem.kind is AnswerKind.CODE:
        return Graded(passes(_program(problem, reply), problem.tests, problem.entry_point), "its tests")
    said = final_answer(reply, Answer.CHOICE if problem.kind is AnswerKind.CHOICE else Answer.BOXED)
    if said is None:
        return Graded(False, "no answer")
    if same_answer(said, problem.answer):
        return Graded(True, "equal text or number")
    if problem.kind is AnswerKind.NUMBER and (one := _QUANTITY.fullmatch(said)) and same_answer(one[1], problem.answer):
        return Graded(True, "equal text or number")
    if (
        problem.kind in (AnswerKind.LATEX, AnswerKind.NUMBER)
        and (same := _same_formula(problem.answer, said)) is not None
    ):
        return Graded(same, "math-verify")
    return Graded(False, "equal text or number")


def _program(problem: Problem, reply: str) -> str:
    """The code of a reply, behind the beginning of the function where it leaves that out."""
    defines = re.compile(rf"\bdef {re.escape(problem.entry_point)}\b")
    blocks = code_blocks(reply) or [reply]
    whole = next((block for block in reversed(blocks) if defines.search(block)), None)  # a later one may show its use
    if whole is None:
        return f"{problem.header}\n{textwrap.indent(blocks[-1], '    ')}"
    return f"{defines.split(problem.header)[0]}\n{whole}"


def _same_formula(known: str, said: str) -> bool | None:
    """Whether two formulas say the same; None without the library that can tell."""
    try:
        from math_verify import parse, verify  # noqa: PLC0415 - an extra, and slow to import
    except ImportError:
        return None
    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it tells of formulas that take too long
    return bool(verify(parse(f"${known}$"), parse(f"${said}$")))
