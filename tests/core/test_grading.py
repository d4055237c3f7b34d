import pytest

from confspec_cli.core.grading import final_answer, same_answer


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
    ("one", "other"),
    [("18", "18.0"), ("$1,000", "1000"), ("50\\%", "50"), ("18 \\text{ eggs}", "18eggs"), ("(B)", "(B).")],
)
def test_answers_agree_as_numbers_or_as_text(one, other):
    assert same_answer(one, other)


@pytest.mark.parametrize(("one", "other"), [("18", "19"), ("x", "y"), ("18", "x")])
def test_different_answers_do_not(one, other):
    assert not same_answer(one, other)
