"""Problems with known answers: read from lines that strangers write, and put to a model in words.

Knows lines and kinds of answers; refuses to know how a reply is graded.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from enum import Enum
from pathlib import Path
from typing import Any

from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import UsageError
from confspec_cli.evaluate import datasets as named
from confspec_cli.files import check_unicode, read_text
from confspec_cli.storage.jsonl_log import parsed

_CODE = "Complete this Python function. Give the whole of it, with what it imports.\n\n```python\n{}\n```"
_NUMBER = re.compile(r"[-+\u2212$\u20ac\u00a3 ]*(?:\d{1,3}(?:,\d{3})+|\d+)?(?:\.\d+)?(?<=\d)\s*[%$]?")
_MARKED = re.compile(r"####\s*(\S[^\n]*)\s*$")  # GSM8K's answers end so, behind the solution
_WITH_UNIT = re.compile(rf"({_NUMBER.pattern})\s*\([A-Za-z][^()]*\)")  # ASDiv's: "9 (apples)"
_WORD = re.compile(r"\b(?!sqrt|pi|sin|cos|tan|log|ln|exp|inf)[^\W\d_]{2,}")
_LETTER = re.compile(r"\(?([A-J])\)?")
_LETTERS = "ABCDEFGHIJ"
_CHOICE_HINT = '{"question": "What is 6 * 7?", "choices": ["41", "42"], "answer": "B"}'
_HINT = '{"id": "1", "question": "What is 6 * 7?", "answer": "42"}'


class AnswerKind(str, Enum):
    """What an answer is, and so how it is held against the known one."""

    NUMBER = "number"
    LATEX = "latex"
    CHOICE = "choice"
    CODE = "code"
    EXACT = "exact"
    NONE = "none"  # no answer is known


_TASKS = {AnswerKind.CHOICE: TaskName.QA, AnswerKind.CODE: TaskName.CODE}


@dataclass(frozen=True, slots=True)
class Problem:
    """One problem. Of code `tests` call `check` on the function `entry_point`, and `header` is how it begins."""

    id: str
    prompt: str
    kind: AnswerKind
    answer: str = ""
    tests: str = ""
    entry_point: str = ""
    header: str = ""
    system: str | None = None

    @property
    def task(self) -> TaskName:
        """The kind of work it is."""
        return _TASKS.get(self.kind, TaskName.MATH)

    @property
    def sha256(self) -> str:
        """Tells it from another of the same id."""
        return hashlib.sha256(json.dumps(astuple(self)).encode()).hexdigest()


def read_problems(text: str, name: str, graded: bool = True) -> list[Problem]:
    """The problems in a text, a JSON object a line. Raises UsageError, with the line, for what is none.

    Keys: `question` or `prompt`; `answer`, or `tests` and `entry_point`; `id`, `kind`, `choices` and `system` if there
    are any. Without a `kind` it is told by the answer, which may be lacking where nothing is `graded`.
    """
    lines = [(number, line) for number, line in enumerate(text.split("\n"), 1) if line.strip()]
    problems = [_problem(line, number, f"Line {number} of {name}") for number, line in lines]
    if not problems:
        raise UsageError(f"{name} contains no problems.", _HINT)
    places: dict[str, int] = {}
    for problem, (number, _) in zip(problems, lines, strict=True):
        if graded and problem.kind is AnswerKind.NONE:
            raise UsageError(f"Line {number} of {name} has neither an answer nor tests.", _HINT)
        if problem.id in places:
            raise UsageError(f"Lines {places[problem.id]} and {number} of {name} have the same id, {problem.id}.")
        places[problem.id] = number
    return problems


def load_problems(file: str, graded: bool = True) -> list[Problem]:
    """The problems in a file, or of the set of that name on the hub. Raises UsageError and DownloadError."""
    if file in named.SETS and not Path(file).exists():
        return read_problems(named.lines(file), file)
    return read_problems(read_text(Path(file)), file, graded)


def text_answers(problems: Sequence[Problem]) -> str | None:
    """A sentence on answers that can only be compared as text, with one of them; None where there are none."""
    text = [problem for problem in problems if problem.kind is AnswerKind.EXACT]
    if not text:
        return None
    example = text[0].answer if len(text[0].answer) <= 60 else text[0].answer[:57] + "..."
    return (
        f"{len(text)} of {len(problems)} answers are neither numbers, formulas nor letters of choices and are compared "
        f"as text, such as {json.dumps(example, ensure_ascii=False)} of problem {text[0].id}."
    )


def _problem(line: str, number: int, place: str) -> Problem:
    try:
        record = parsed(line)
    except ValueError:
        record = None
    if not isinstance(record, dict):
        raise UsageError(f"{place} is not a JSON object.", _HINT)
    check_unicode(json.dumps(record, ensure_ascii=False), place)
    question = _text(record, "question", place) or _text(record, "prompt", place)
    if not question.strip():
        raise UsageError(f"{place} has no question.", _HINT)
    answer, tests, header = _text(record, "answer", place), _text(record, "tests", place), ""
    answer = _bare(answer)
    kind = _kind(record, question, answer, tests, place)
    if kind is AnswerKind.CODE:
        header, question = question, _CODE.format(question.strip("\n"))
        if not _text(record, "entry_point", place):
            raise UsageError(f"{place} has tests but no entry_point, the name of the function they check.")
    choices = _choices(record, place)
    if choices:
        question += "\n\n" + "\n".join(
            f"({letter}) {choice}" for letter, choice in zip(_LETTERS, choices, strict=False)
        )
    if kind is AnswerKind.CHOICE:
        answer = _letter(answer, len(choices) or len(_LETTERS), place)
    system = record.get("system")
    return Problem(
        id=str(record.get("id", number)),
        prompt=question,
        kind=kind,
        answer=answer,
        tests=tests,
        entry_point=_text(record, "entry_point", place),
        header=header,
        system=system if isinstance(system, str) else None,
    )


def _choices(record: dict[str, Any], place: str) -> list[Any]:
    choices = record.get("choices") or []
    if not isinstance(choices, list) or len(choices) > len(_LETTERS):
        raise UsageError(f"{place}: choices must be a list of {len(_LETTERS)} at most.", _CHOICE_HINT)
    return choices


def _letter(answer: str, count: int, place: str) -> str:
    letter = answer.strip(" ().").upper()
    if len(letter) != 1 or letter not in _LETTERS[:count]:
        last = _LETTERS[count - 1]
        raise UsageError(f"{place}: answer must be the letter of a choice, A to {last}.", _CHOICE_HINT)
    return letter


def _text(record: dict[str, Any], key: str, place: str) -> str:
    value = record.get(key, "")
    if isinstance(value, int | float) and not isinstance(value, bool):
        value = str(value)
    if not isinstance(value, str):
        raise UsageError(f"{place}: {key} must be text.", _HINT)
    return value


def _bare(answer: str) -> str:
    """An answer without what public sets write around it."""
    marked = _MARKED.search(answer)
    bare = marked[1].strip() if marked else answer
    with_unit = _WITH_UNIT.fullmatch(bare.strip())
    return with_unit[1].strip() if with_unit else bare


def _kind(record: dict[str, Any], question: str, answer: str, tests: str, place: str) -> AnswerKind:
    given = record.get("kind")
    if given is not None:
        known = [kind.value for kind in AnswerKind]
        if given not in known:
            raise UsageError(f"{place}: kind must be one of {', '.join(known)}.")
        if given == AnswerKind.NUMBER and not any(character.isdigit() for character in answer):
            raise UsageError(f'{place}: "{answer[:60]}" is not a number, but its kind is.', _HINT)
        return AnswerKind(given)
    if not answer.strip() and not tests.strip():
        return AnswerKind.NONE
    if tests:
        return AnswerKind.CODE
    letter = _LETTER.fullmatch(answer.strip())
    if record.get("choices") or (letter and all(f"({one})" in question for one in {"A", "B", letter[1]})):
        return AnswerKind.CHOICE
    if _NUMBER.fullmatch(answer.strip()):
        return AnswerKind.NUMBER
    return AnswerKind.LATEX if "\\" in answer or not _WORD.search(answer) else AnswerKind.EXACT
