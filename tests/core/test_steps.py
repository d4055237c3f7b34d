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


PROGRAM = (
    "The steps are done; here is the code:\n\n```python\nimport re\n\n\n@cache\ndef first(text):\n"
    '    """What comes first.\n\n    It may be nothing.\n    """\n',
    "    if not text:\n        # nothing comes first of nothing\n        return None\n",
    "\n    pairs = {\n        1: 2,\n        3: 4,\n    }\n    return pairs.get(text[0].lower(), 0)\n",
    "```\n",
    "\nThis code gives what comes first, and nothing else.\n\n",
    "Here is a shorter one:\n```python\nfirst = min\n```\n",
    "It is used so:\n\n```\nfirst(1)\n```",
)


def test_code_is_cut_after_statements_and_what_follows_a_program_is_a_step_of_its_own():
    assert split("".join(PROGRAM), 48) == list(PROGRAM)


def test_a_line_that_something_must_follow_ends_no_step():
    c = ("```c\nint f(int b) {\n    // adds up\n    int a = g(b,\n        2);\n", "    return a;\n", "}\n```\n")
    assert split("".join(c), 8) == list(c)


@pytest.mark.parametrize(
    "steps",
    [
        ("```python\ndef add(a, b):\n    return a + b\n\n", "\nprint(add(1, 2))\n\nprint(add(2, 3))\n```\n"),
        ("```js\nfunction add(a, b) {\n  return a + b;\n}\n\n", "console.log(add(1, 2));\n```\n"),
    ],
)
def test_what_tries_a_function_out_is_a_step_of_its_own_however_short_the_function(steps):
    assert split("".join(steps), 48) == list(steps)


@pytest.mark.parametrize("line", ["    (1, 2),", "    a line of text in quotes"])
def test_code_is_cut_after_some_lines_where_no_statement_ends(line):
    opening = '    data = """' if "text" in line else "    data = ["
    steps = split("```\n" + "\n".join([opening, *[line] * 20]) + "\n", 10)
    assert [step.count("\n") for step in steps] == [9, 8, 5]


def test_a_list_item_or_blank_line_inside_code_is_judged_as_code():
    code = "~~~~\nif x:\n\n- y\n~~~~\n"
    assert split(code + "The end.", 10) == [code, "The end."]


@pytest.mark.parametrize(("opening", "closing"), [("\\[", "\\]"), ("\\begin{align*}", "\\end{align*}")])
def test_a_blank_line_inside_a_display_equation_is_no_boundary(opening, closing):
    equation = f"We compute the total price:\n{opening}\n9 \\times 2\n\n= 18\n{closing}\n\n"
    assert split(equation + "So 18.", 10) == [equation, "So 18."]


def test_a_list_item_inside_an_equation_in_dollars_is_no_boundary_but_a_blank_line_is():
    steps = ("So we have:\n$$\nx = 3\n- 4 y + 10\n$$\n\n", "A pair of dollars too many: $$\n\n", "It costs 18 in all.")
    assert split("".join(steps), 10) == list(steps)


@pytest.mark.parametrize("price", ["$5 and $10", "$$", "5 $$", "$$5 and $$$10"])
def test_a_price_holds_up_no_boundary(price):
    items = (
        f"She pays, as it says above, {price}\n\n",
        f"{price} is what he pays for all.\n\n",
        "- She pays one more.\n",
    )
    assert split("".join(items), 20) == list(items)


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
    assert len(split(f"\\[\nx = 1\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n\n{paragraph}\n\n", 20)) == 3


def test_the_end_of_the_thinking_ends_a_step():
    assert split("So it is 18.\n</think>\n\nThe answer is 18.", 100) == [
        "So it is 18.\n</think>\n",
        "\nThe answer is 18.",
    ]


def test_boundaries_do_not_depend_on_how_the_text_is_chunked():
    text = (
        PROSE + "\n\n```c\nint a;\n\nint b;\n```\n\n1. One item of the list.\n\\[\nx\n\n\\]\n\n**Head**\n\nThe end.\n"
    ) + "".join(PROGRAM)
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
    assert (splitter.fence, before.fence) == ("", "```")


def test_a_forced_end_forgets_an_equation_but_not_a_fence():
    equation, fence = Splitter(5), Splitter(5)
    equation.feed("\\[ never closed ")
    equation.force()
    assert equation.feed("\nplain prose again\n\n") is not None
    fence.feed("```\ncode")
    fence.force()
    assert fence.fence == "```"


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
