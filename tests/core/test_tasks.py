"""Kinds of work: what each asks, how it is cut, and what its answer looks like."""

import pytest

from confspec_cli.core.grading import Answer, code_block, extract, final_answer
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.tasks import TASKS, TaskName

CODE = "Plan it.\n\n```python\ndef f(x):\n    return x\n\n\nprint(f(1))\n```\n\nDone."


def test_every_task_names_a_question_there_is():
    assert set(TASKS) == set(TaskName)
    assert all(task.question in QUESTIONS for task in TASKS.values())


def test_plain_adds_nothing_to_what_was_asked():
    plain = TASKS[TaskName.PLAIN]
    assert (plain.system, plain.system_thinking, plain.answer) == ("", "", Answer.NONE)


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("So \\boxed{C}.", "C"),
        ("So \\boxed{(C)}", "C"),
        ("So \\boxed{\\text{C}}", "C"),
        ("Answer: C", "C"),
        ("**Answer: (C) mitochondria**", "C"),
        ("Answer: **C**", "C"),
        ("The answer is C because it is.", "C"),
        ("A is wrong. The correct option is (B).\n\nAnswer: C", "C"),
        ("Answer: mitochondria", "mitochondria"),
        ("The answer is a matter of taste.", None),
        ("It could be A or B.", None),
    ],
)
def test_a_choice_is_known_by_its_letter(reply, answer):
    assert final_answer(reply, Answer.CHOICE) == answer


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (CODE, "def f(x):\n    return x\n\n\nprint(f(1))"),
        ("```\none\n```\ntwo\n~~~py\nthree\n~~~", "three"),
        ("````md\n```\ninner\n```\n````", "```\ninner\n```"),
        ("1. First:\n   ```sh\n   ls\n     -l\n   ```", "ls\n  -l"),
        ("```\nwhole\n```\nthen\n```\ncut o", "whole"),
        ("```py\ncut o", "cut o"),
        ("none `here`", None),
        ("```\n```", None),
    ],
)
def test_code_is_the_last_fenced_block(reply, code):
    assert code_block(reply) == code


@pytest.mark.parametrize("label", ["", "text", "bash", "Output", "console"])
@pytest.mark.parametrize("kind", [Answer.CODE, Answer.NONE])
def test_what_is_extracted_is_the_program_and_not_what_it_prints_or_how_it_is_run(kind, label):
    reply = f"```python\nx = 1\n```\nIt prints or is run so:\n```{label}\npython x.py\n```\n"
    assert extract(reply, kind) == "x = 1"


def test_where_nothing_else_is_there_shell_commands_are_the_program():
    assert extract("```sh\nls\n```\nand then\n```bash\npwd\n```\n", Answer.CODE) == "pwd"
    assert extract("```\nx = 1\n```\nRun it:\n```bash\npython x.py\n```\n", Answer.CODE) == "x = 1"


@pytest.mark.parametrize(
    ("kind", "reply", "found"),
    [
        (Answer.BOXED, f"{CODE}\nIt is \\boxed{{7}}.", "7"),
        (Answer.BOXED, CODE, code_block(CODE)),
        (Answer.CODE, f"{CODE}\nIt is \\boxed{{7}}.", code_block(CODE)),
        (Answer.NONE, f"{CODE}\nAnswer: 7", code_block(CODE)),
        (Answer.NONE, "Answer: 7", "7"),
        (Answer.CHOICE, "Answer: B", "B"),
        (Answer.NONE, "Just words.", None),
    ],
)
def test_what_is_extracted_is_what_the_task_looks_for_first(kind, reply, found):
    assert extract(reply, kind) == found
