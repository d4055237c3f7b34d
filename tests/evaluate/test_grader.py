"""Problems are read, and replies graded."""

import json
import random
import sys

import pytest

from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.grader import grade, require_graders
from confspec_cli.evaluate.problems import AnswerKind, Problem, load_problems, read_problems, text_answers
from confspec_cli.evaluate.statistics import ratio_interval, wilson

HEADER = 'def double(n):\n    """Twice n."""\n'
TESTS = "def check(candidate):\n    assert candidate(2) == 4\n    assert candidate(-1) == -2\n"


def line(**fields):
    return json.dumps({"id": "1", "question": "What?", **fields})


def one(**fields):
    return read_problems(line(**fields), "some.jsonl")[0]


@pytest.mark.parametrize(
    ("fields", "kind", "task"),
    [
        ({"answer": "1,234"}, AnswerKind.NUMBER, TaskName.MATH),
        ({"answer": 12}, AnswerKind.NUMBER, TaskName.MATH),
        ({"answer": "$-3.5"}, AnswerKind.NUMBER, TaskName.MATH),
        ({"answer": "\\frac{1}{2}"}, AnswerKind.LATEX, TaskName.MATH),
        ({"answer": "B", "choices": ["one", "two"]}, AnswerKind.CHOICE, TaskName.QA),
        ({"answer": "Ann has 2+3=5.\n#### 5"}, AnswerKind.NUMBER, TaskName.MATH),
        ({"answer": "12 (plums)"}, AnswerKind.NUMBER, TaskName.MATH),
        ({"answer": "3/4"}, AnswerKind.LATEX, TaskName.MATH),
        ({"answer": "1,2"}, AnswerKind.LATEX, TaskName.MATH),
        ({"answer": "(3, 4)"}, AnswerKind.LATEX, TaskName.MATH),
        ({"answer": "2x + sqrt(3)"}, AnswerKind.LATEX, TaskName.MATH),
        ({"answer": "(A)", "question": "Which? (A) this (B) that"}, AnswerKind.CHOICE, TaskName.QA),
        ({"answer": "Evelyn"}, AnswerKind.EXACT, TaskName.MATH),
        ({"answer": "7", "kind": "exact"}, AnswerKind.EXACT, TaskName.MATH),
        ({"tests": TESTS, "entry_point": "double"}, AnswerKind.CODE, TaskName.CODE),
    ],
)
def test_a_kind_is_told_by_the_answer_and_tells_the_work(fields, kind, task):
    problem = one(**fields)
    assert (problem.kind, problem.task) == (kind, task)


def test_choices_are_lettered_and_code_is_asked_for_in_words():
    assert one(answer="(b)", choices=["one", "two"]).prompt == "What?\n\n(A) one\n(B) two"
    assert one(answer="(b)", choices=["one", "two"]).answer == "B"
    code = read_problems(line(question=HEADER, tests=TESTS, entry_point="double"), "x")[0]
    assert code.prompt.startswith("Complete this Python function.")
    assert HEADER.strip("\n") in code.prompt
    assert code.header == HEADER


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no problem"),
        ("nonsense", "Line 1 of x is not a JSON object"),
        (line(), "neither an answer nor tests"),
        (line(question="", answer="1"), "has no question"),
        (line(answer=["1"]), "answer must be text"),
        (line(answer="1", kind="odd"), "kind must be one of number"),
        (line(answer="twelve", kind="number"), '"twelve" is not a number'),
        (line(tests=TESTS), "no entry_point"),
        (line(answer="C", choices=["one", "two"]), "answer must be the letter of a choice, A to B"),
        (line(answer="two", choices=["one", "two"]), "answer must be the letter"),
        (line(answer="A", choices={"A": "one"}), "choices must be a list"),
        (line(answer="1") + "\n\n" + line(answer="2"), "Lines 1 and 3 of x have the same id"),
    ],
)
def test_what_is_no_problem_is_named_with_its_line(text, said):
    with pytest.raises(UsageError, match=said):
        read_problems(text, "x")


def test_a_file_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(UsageError, match="No such file"):
        load_problems(str(tmp_path / "none.jsonl"))
    (tmp_path / "latin.jsonl").write_bytes(b'{"question": "caf\xe9"}')
    with pytest.raises(UsageError, match="not UTF-8"):
        load_problems(str(tmp_path / "latin.jsonl"))


@pytest.mark.parametrize(
    ("kind", "answer", "reply", "correct"),
    [
        (AnswerKind.NUMBER, "1234", "So it is \\boxed{\\$1,234.00}.", True),
        (AnswerKind.NUMBER, "1234", "Answer: 1234", True),
        (AnswerKind.NUMBER, "1234", "Answer: $1,234 a day.", True),
        (AnswerKind.NUMBER, "-3", "\\boxed{-3 degrees}", True),
        (AnswerKind.NUMBER, "3", "\\boxed{-3 degrees}", False),
        (AnswerKind.NUMBER, "3", "\\boxed{3 or 4}", False),
        (AnswerKind.NUMBER, "1234", "So it is \\boxed{1235}.", False),
        (AnswerKind.NUMBER, "1234", "It is 1234, I think.", False),
        (AnswerKind.NUMBER, "12", "\\boxed{1,2}", False),
        (AnswerKind.NUMBER, "12", "\\boxed{1 2}", False),
        (AnswerKind.NUMBER, "314", "\\boxed{3,14}", False),
        (AnswerKind.NUMBER, "7.5", "\\boxed{7 1/2}", True),
        (AnswerKind.NUMBER, "7.5", "\\boxed{7\\frac{1}{2}}", True),
        (AnswerKind.NUMBER, "0.5", "\\boxed{\\dfrac12}", True),
        (AnswerKind.NUMBER, "-3", "Answer: \u22123", True),
        (AnswerKind.NUMBER, "5", "Answer: \u20ac5", True),
        (AnswerKind.NUMBER, "5", "\\boxed{5 \\text{ cm}}", True),
        (AnswerKind.NUMBER, "5", "\\boxed{5 cm^2}", True),
        (AnswerKind.NUMBER, "5", "\\boxed{5kg}", True),
        (AnswerKind.NUMBER, "5", "\\boxed{5x}", False),
        (AnswerKind.NUMBER, "90", "\\boxed{90^\\circ}", True),
        (AnswerKind.NUMBER, "1234", "\\boxed{1{,}234}", True),
        (AnswerKind.NUMBER, "5", "\\boxed{}", False),
        (AnswerKind.LATEX, "1/2", "\\boxed{0.5}", True),
        (AnswerKind.LATEX, "(1,2)", "\\boxed{\\left(1,2\\right)}", True),
        (AnswerKind.LATEX, "(1,2)", "\\boxed{(2,1)}", False),
        (AnswerKind.LATEX, "x+1", "\\boxed{1+x}", True),
        (AnswerKind.LATEX, "2, 3", "\\boxed{2} and \\boxed{3}", True),
        (AnswerKind.LATEX, "2, 3", "\\boxed{23}", False),
        (AnswerKind.LATEX, "\\text{Evelyn}", "\\boxed{Evelyn}", True),
        (AnswerKind.LATEX, "\\text{Evelyn}", "\\boxed{nelEvy}", False),
        (AnswerKind.LATEX, "\\frac{1}{2}", "\\boxed{0.5}", True),
        (AnswerKind.LATEX, "\\left( 3, \\frac{\\pi}{2} \\right)", "\\boxed{(3, \\pi/2)}", True),
        (AnswerKind.LATEX, "\\frac{1}{2}", "\\boxed{\\frac{1}{3}}", False),
        (AnswerKind.CHOICE, "B", "Answer: (B)", True),
        (AnswerKind.CHOICE, "B", "The answer is C.", False),
        (AnswerKind.CHOICE, "B", "answer: b", True),
        (AnswerKind.CHOICE, "B", "**B**", True),
        (AnswerKind.CHOICE, "A", "A good question. I say B.", False),
        (AnswerKind.EXACT, "Evelyn", "\\boxed{\\text{Evelyn}}", True),
        (AnswerKind.EXACT, "Evelyn", "\\boxed{Evelina}", False),
    ],
)
def test_a_reply_is_held_against_the_known_answer(kind, answer, reply, correct):
    if kind in (AnswerKind.LATEX, AnswerKind.NUMBER):
        pytest.importorskip("math_verify", reason="needs the extra: pip install 'confspec-cli[bench]'")
    assert grade(Problem("1", "What?", kind, answer), reply).correct is correct


def test_raw_answers_of_public_sets_are_brought_to_what_is_compared():
    assert one(answer="She has 40+2=<<40+2=42>>42.\n#### 1,042").answer == "1,042"
    assert one(answer="12 (plums)").answer == "12"
    assert one(answer="(b)", question="Which? (A) this (B) that", kind="choice").answer == "B"


def test_answers_that_can_only_be_compared_as_text_are_told_once_with_an_example():
    assert text_answers([one(answer="7"), one(answer="x + 1")]) is None
    told = text_answers([one(answer="7"), one(answer="the red one"), one(answer="blue or so")])
    assert told is not None
    assert told.startswith("2 of 3 answers")
    assert '"the red one" of problem 1' in told


def test_without_the_library_numbers_and_formulas_are_refused_with_its_install_command(monkeypatch):
    monkeypatch.setitem(sys.modules, "math_verify", None)
    monkeypatch.setattr("confspec_cli.evaluate.grader.find_spec", lambda name: None)
    with pytest.raises(UsageError) as refused:
        require_graders([one(answer="7")])
    assert refused.value.hint == "pip install 'confspec-cli[bench]'"
    require_graders([one(answer="the red one")])


@pytest.mark.parametrize(
    ("reply", "correct"),
    [
        ("```python\ndef double(n):\n    return 2 * n\n```", True),
        ("```python\n    return 2 * n\n```", True),  # the function's body alone
        ("```python\ndef double(n):\n    return 2 * n\n```\n\nIts use:\n\n```python\nprint(double(2))\n```", True),
        ("```\ndef add(a, b): return a + b\n```\nSo:\n```\ndef double(n): return add(n, n)\n```", True),
        ("```\ndef double(n): return 2 * n\n```\n```\n# def double: above\nprint(double(input()))\n```", True),
        ("```python\nfrom __future__ import annotations\ndef double(n: int) -> int:\n    return 2 * n\n```", True),
        ("```python\ndouble = lambda n: 2 * n\n```", True),
        ("```python\ndef doubled(n):\n    return 2 * n\n```", False),
        ("```python\ndef double(n):\n    return n * n\n```", False),
        ("```python\ndef double(n:\n```", False),
        ("I do not know.", False),
    ],
)
def test_code_is_graded_by_its_tests(reply, correct):
    problem = Problem("1", "", AnswerKind.CODE, tests=TESTS, entry_point="double", header=HEADER)
    assert grade(problem, reply).correct is correct


def test_intervals_hold_the_truth_as_often_as_they_say():
    rng = random.Random(7)
    held = 0
    for _ in range(400):
        low, high = wilson(sum(rng.random() < 0.8 for _ in range(40)), 40)
        held += low <= 0.8 <= high
    assert 0.92 <= held / 400 <= 0.98
    held = 0
    for _ in range(200):
        alone = [rng.lognormvariate(2, 0.5) for _ in range(40)]
        with_draft = [seconds / 1.3 * rng.lognormvariate(-0.02, 0.2) for seconds in alone]
        _, low, high = ratio_interval(alone, with_draft, draws=300)
        held += low <= 1.3 <= high
    assert 0.88 <= held / 200 <= 0.99


def test_of_nothing_an_interval_says_nothing():
    assert wilson(0, 0) == (0.0, 1.0)
    assert wilson(5, 5)[1] == 1.0
