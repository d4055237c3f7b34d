import random

import pytest

from confspec_cli.core.steps import Splitter, split
from confspec_cli.core.thinking import after_thinking

PROSE = "First we add the eggs she eats and bakes with.\n\nThen we take them away from sixteen eggs.\n\nNine are left."


def test_prose_is_cut_at_blank_lines_and_loses_nothing():
    steps = split(PROSE, 20)
    assert steps == [
        "First we add the eggs she eats and bakes with.\n\n",
        "Then we take them away from sixteen eggs.\n\n",
        "Nine are left.",
    ]


def test_headings_and_lead_ins_stay_with_what_follows():
    text = "### Step 1: add up all of the eggs that are not sold\n\n**The morning and the baking**\n\nSo we have:\n\n"
    assert split(text + "3 + 4 = 7 eggs are not sold.\n\nNext", 20) == [
        text + "3 + 4 = 7 eggs are not sold.\n\n",
        "Next",
    ]


def test_short_fragments_merge_until_they_say_enough():
    assert split("Yes.\n\nOf course.\n\nThis one is long enough to stand.\n\nEnd", 30) == [
        "Yes.\n\nOf course.\n\nThis one is long enough to stand.\n\n",
        "End",
    ]


def test_list_items_are_steps_of_their_own():
    text = "1. Count the eggs she has at first.\n2. Take away the eggs she uses.\n- Multiply by the price.\nDone"
    assert split(text, 20) == [
        "1. Count the eggs she has at first.\n",
        "2. Take away the eggs she uses.\n",
        "- Multiply by the price.\n",
        "Done",
    ]


@pytest.mark.parametrize("fence", ["```", "~~~~"])
def test_a_blank_line_inside_a_code_fence_is_no_boundary(fence):
    code = f"{fence}python\ndef f(x):\n    y = x + 1\n\n    return y\n\n- not a list item of the prose\n{fence}\n\n"
    assert split(code + "The function adds one.", 10) == [code, "The function adds one."]


@pytest.mark.parametrize(("opening", "closing"), [("\\[", "\\]"), ("$$", "$$"), ("\\begin{align*}", "\\end{align*}")])
def test_a_blank_line_inside_a_display_equation_is_no_boundary(opening, closing):
    equation = f"We compute the total price:\n{opening}\n9 \\times 2\n\n= 18\n{closing}\n\n"
    assert split(equation + "So 18.", 10) == [equation, "So 18."]


def test_inline_dollars_do_not_open_an_equation():
    assert len(split("She makes $9 and then $18 more in all of it.\n\nThat is $27.\n\n", 20)) == 2


@pytest.mark.parametrize(
    "line",
    [
        "The process id of the shell is $$ and it stays so.",
        "Lunch was $$ but fine.",
        "a \\\\[1em] b is a line break of LaTeX with a distance.",
        "An interval [0,1\\[ is open on one side.",
        "We have $$x = 1$$ and then $$y = 2$$ as well.",
        "So we have \\[x = 1\\] at last.",
    ],
)
def test_a_sign_within_a_line_holds_up_no_boundary(line):
    paragraph = "This sentence is long enough to be a step by itself."
    assert len(split(f"{line}\n\n{paragraph}\n\n{paragraph}\n\n", 20)) == 3


def test_an_equation_that_never_closes_is_forgotten():
    paragraph = "This sentence is long enough to be a step by itself."
    assert len(split(f"$$\nx = 1\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n\n", 20)) == 3


def test_the_end_of_the_thinking_ends_a_step():
    assert split("So it is 18.\n</think>\n\nThe answer is 18.", 100) == [
        "So it is 18.\n</think>\n",
        "\nThe answer is 18.",
    ]


def test_boundaries_do_not_depend_on_how_the_text_is_chunked():
    text = (
        PROSE + "\n\n```c\nint a;\n\nint b;\n```\n\n1. One item of the list.\n\\[\nx\n\n\\]\n\n**Head**\n\nThe end.\n"
    )
    whole = split(text, 20)
    dice = random.Random(7)
    for _ in range(200):
        splitter, steps, current, rest = Splitter(20), [], "", text
        while rest:
            size = dice.randint(1, 9)
            chunk, rest = rest[:size], rest[size:]
            while (end := splitter.feed(chunk)) is not None:
                steps.append(current + chunk[:end])
                current, chunk = "", chunk[end:]
            current += chunk
        assert [*steps, current] == whole or [*steps] == whole


def test_a_copy_goes_back_to_where_it_was_taken():
    splitter = Splitter(10)
    assert splitter.feed("```python\nx = 1\n") is None
    before = splitter.copy()
    assert splitter.feed("```\n\n") is not None
    assert before.feed("\n\nstill inside the fence\n\n") is None


def test_a_forced_end_forgets_an_equation_but_not_a_fence():
    equation, fence = Splitter(5), Splitter(5)
    equation.feed("\\[ never closed ")
    equation.force()
    assert equation.feed("\nplain prose again\n\n") is not None
    fence.feed("```\ncode")
    fence.force()
    assert fence.feed("\nmore code\n\n") is None


@pytest.mark.parametrize(
    ("text", "opened", "expected"),
    [
        ("a\n</think>\n\nb", True, "b"),
        ("<think>a</think>b", False, "b"),
        ("a bare close</think>\nb", False, "b"),
        ("never closed", True, ""),
        ("<think>\nnever closed", False, ""),
        ("no thinking at all", False, "no thinking at all"),
    ],
)
def test_only_what_follows_the_thinking_is_for_the_reader(text, opened, expected):
    assert after_thinking(text, opened) == expected
