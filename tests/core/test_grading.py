import pytest

from confspec_cli.core.grading import Answer, extract, final_answer


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ("so \\boxed{18}.", "18"),
        ("first \\boxed{1}, then \\boxed{\\frac{1}{2}}", "\\frac{1}{2}"),
        ("**Answer:** 42 eggs", "42 eggs"),
        ("Final answer: (B)\n", "(B)"),
        ("\\boxed{never closed", None),
        ("nothing of the kind", None),
        ("\\boxed{}", None),
    ],
)
def test_the_last_boxed_or_stated_answer_is_the_final_one(reply, answer):
    assert final_answer(reply) == answer


@pytest.mark.parametrize(
    "reply",
    [
        "The answer is 12.",
        "The answer is 12. That is a dozen.",
        "Hence the final answer is: 12",
        "5 + 7 = 12\n#### 12",
        "\\boxed {12}",
        "$\\boxed 12$",
        "\\fbox{12}",
        "It is \\boxed{12}. As asked, it is in \\boxed{}.",
        "## Answer\n\n**12**",
        "Short answer: 12",
        "Answer:\n12",
        "The answer is 11.\nNo, wait.\n\nAnswer: 12",
    ],
)
def test_an_answer_is_found_in_the_usual_forms(reply):
    assert final_answer(reply) == "12"


def test_boxes_that_are_listed_together_are_one_answer():
    assert final_answer("\\boxed{4} and \\boxed{5}") == "4, 5"
    assert final_answer("$\\boxed{4}$, $\\boxed{5}$, or $\\boxed{6}$") == "4, 5, 6"


def test_a_heading_of_the_fourth_level_is_no_answer():
    assert final_answer("#### Step 4\nWe add.\n#### 1. Then") is None


@pytest.mark.parametrize(
    ("letter", "reply"),
    [
        ("B", "The answer is B. Option A fails because it leaves out the wind."),
        ("B", "The correct answer is B. Note that choice C is a common slip."),
        ("B", "The answer is (B). Option A is wrong."),
        ("C", "Answer: I think it is C"),
        ("B", "Answer: I think B"),
        ("C", "The best option I can find is none of these. So it is (C)."),
        ("D", "I would pick option D, not option A"),
        ("B", "The right choice A student makes is B"),
        ("A", "the answer is A because it is heavier"),
        ("D", "\\boxed{\\textbf{(D) }12}"),
        ("D", "\\boxed{\\mathbf{D}}"),
        ("D", "\\boxed{\\text{D}}"),
        ("B", "answer: b) Rome"),
        ("B", "Answer: b"),
        ("B", "B is the correct answer."),
        ("B", "B. Rome"),
        ("B", "So it must be B."),
        ("B", "The answer is not A but B."),
        ("C", "(C)"),
        ("C", "(A) is too small, (B) too big.\n\nAnswer:\n\n**(C)**"),
        ("B", "A good question. I say B."),
        ("B", "The answer is **B**, since A is smaller."),
        ("I", "The answer is I."),
    ],
)
def test_the_letter_is_the_one_decided_on(letter, reply):
    assert final_answer(reply, Answer.CHOICE) == letter


@pytest.mark.parametrize("reply", ["I do not know.", "A good question.", "Both (A) and (C) could be.", ""])
def test_where_nothing_is_decided_there_is_no_letter(reply):
    assert final_answer(reply, Answer.CHOICE) is None


def test_a_program_gets_the_code_or_the_answer_whichever_its_work_looks_for_first():
    reply = "```python\nx = 1\n```\nAnswer: 2"
    assert extract(reply, Answer.CODE) == "x = 1"
    assert extract(reply, Answer.BOXED) == "2"
