"""Grading a reply against the known answer of its problem, and saying what graded it."""

from __future__ import annotations

import ast
import logging
import re
import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec

from confspec_cli.core.grading import Answer, code_blocks, final_answer
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.problems import AnswerKind, Problem
from confspec_cli.evaluate.sandbox import Program, passes

_WORD = r"[A-Za-z\u00b0][A-Za-z/^\u00b2\u00b3]*(?:\^?\d)?"
_QUANTITY = re.compile(
    rf"(?:[A-Za-z]+ +)*(?P<sign>[-\u2212]?)[$\u20ac\u00a3]?(?P<number>-?(?:\d[\d,]*)?\.?\d+)(?P<fraction> +\d+/\d+)?"
    rf"%?(?:(?: *\(.*\))|(?: +{_WORD})+|[A-Za-z]{{2,}})?\.?"
)
_DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
_WORDS = re.compile(r"\\text\{[^{}]*\}")


@dataclass(frozen=True, slots=True)
class Graded:
    """Whether a reply is right, and what says so; None where there is none."""

    correct: bool | None
    by: str


def require_graders(problems: Sequence[Problem]) -> None:
    """Raise UsageError where answers of these problems could not be compared for lack of a library."""
    if any(problem.kind in (AnswerKind.NUMBER, AnswerKind.LATEX) for problem in problems) and not _has_math_verify():
        raise UsageError("Comparing numbers and formulas needs math-verify.", "pip install 'confspec-cli[bench]'")


def grade(problem: Problem, reply: str) -> Graded:
    """Grade a reply; one without an answer is wrong."""
    if problem.kind is AnswerKind.CODE:
        return Graded(passes(_program(problem, reply), problem.tests, problem.entry_point), "its tests")
    said = final_answer(reply, Answer.CHOICE if problem.kind is AnswerKind.CHOICE else Answer.BOXED)
    if said is None:
        return Graded(False, "no answer")
    if problem.kind in (AnswerKind.NUMBER, AnswerKind.LATEX) and not _WORDS.fullmatch(problem.answer):
        return Graded(is_same_value(problem.answer, said, problem.kind is AnswerKind.NUMBER), "math-verify")
    return Graded(_plain(said) == _plain(problem.answer), "equal text")


def is_same_value(known: str, said: str, is_quantity: bool = True) -> bool:
    """Whether two numbers or formulas have the same value; of a quantity, the words around it are left out."""
    from math_verify import parse, verify  # noqa: PLC0415 - an extra, and slow to import

    logging.getLogger("math_verify").setLevel(logging.CRITICAL)  # it logs formulas that take too long
    if is_quantity:
        known, said = _number_of(known), _number_of(said)
    return bool(verify(parse(f"${known.strip('$ ')}$"), parse(f"${said.strip('$ ')}$")))


def _has_math_verify() -> bool:
    return find_spec("math_verify") is not None


def _number_of(text: str) -> str:
    """The number of a text that has nothing else but words; a mixed number as a formula."""
    found = _QUANTITY.fullmatch(text.strip())
    if not found:
        return text
    number = f"{'-' if found['sign'] else ''}{found['number']}"
    if found["fraction"]:
        above, below = found["fraction"].split("/")
        number += rf"\frac{{{above.strip()}}}{{{below}}}"
    return number


def _plain(answer: str) -> str:
    bare = re.sub(r"\\(?:text|mathrm|textbf|mathbf)\{([^{}]*)\}", r"\1", answer)
    return " ".join(re.sub(r"[$*()]|\\[,;! ]", " ", bare).split()).rstrip(".").casefold()


def _program(problem: Problem, reply: str) -> Program:
    """The code of a reply, behind the beginning of the function where it leaves that out."""
    given = re.split(rf"(?m)^(?:async +)?(?:def|class) +{re.escape(problem.entry_point)}\b", problem.header)[0]
    blocks = code_blocks(reply) or [reply]
    whole = [n for n, block in enumerate(blocks) if _defines(block, problem.entry_point)]
    if not whole:
        body = textwrap.indent(blocks[-1], "    ")
        return Program((f"{problem.header}\n{body}",), given)
    helpers = [_definitions(block) for n, block in enumerate(blocks) if n != whole[-1]]
    return Program((*helpers, blocks[whole[-1]]), given)


def _statements(code: str) -> list[ast.stmt]:
    try:
        return ast.parse(code).body
    except (SyntaxError, ValueError):
        return []


def _defines(code: str, name: str) -> bool:
    """Whether the code gives the name a meaning; code that cannot be parsed is taken at its word."""
    statements = _statements(code)
    if not statements:
        return re.search(rf"(?m)^\s*(?:def|class) +{re.escape(name)}\b", code) is not None
    return any(name in _bound(statement) for statement in statements)


def _bound(statement: ast.stmt) -> set[str]:
    if isinstance(statement, _DEFINITIONS):
        return {statement.name}
    if isinstance(statement, ast.Assign):
        return {target.id for target in statement.targets if isinstance(target, ast.Name)}
    return set()


def _definitions(code: str) -> str:
    """What a block defines and imports, without what it does: it may only show the function's use."""
    kept: list[ast.stmt] = [
        one for one in _statements(code) if isinstance(one, (*_DEFINITIONS, ast.Import, ast.ImportFrom))
    ]
    return ast.unparse(ast.Module(kept, []))
