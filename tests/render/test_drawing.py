"""Code, light Markdown and LaTeX's signs as a terminal shows them."""

import pytest
from support.recorded_runs import Recorder
from support.screen import Screen

from confspec_cli.render.drawing import draw, signs


def shown(text, language=None):
    return "".join(piece for piece, _ in draw(text, language)[0])


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        (r"3 \times 4 \cdot 5 \leq 60", "3 × 4 · 5 ≤ 60"),
        (r"\frac{1}{2} and \dfrac{x+1}{\sqrt{2}}", "1/2 and (x+1)/√2"),
        (r"\frac{\frac{1}{2}}{3}", "(1/2)/3"),
        (r"\(a \neq b\), \text{so } 5\%", "a ≠ b, so  5%"),
        (r"\left( \pi \right)", "( π )"),
        (r"\times4 \timesheet \unknown{x}", r"×4 \timesheet \unknown{x}"),
        ("It costs $3 and $4.", "It costs $3 and $4."),
        (r"C:\temp\new", r"C:\temp\new"),
    ],
)
def test_signs_of_latex_are_characters(written, drawn):
    assert signs(written) == drawn


def test_markdown_is_drawn_and_its_marks_go():
    pieces, language = draw("## Plan\nUse **this** and `x**2`, 2**3**2 too: \\boxed{\\frac{1}{2}}.\n", None)
    assert "".join(piece for piece, _ in pieces) == "Plan\nUse this and x**2, 2**3**2 too: 1/2.\n"
    assert {piece: style for piece, style in pieces if style} == {
        "Plan": "bold",
        "this": "bold",
        "x**2": "cyan",
        "1/2": "bold",
    }
    assert language is None


@pytest.mark.parametrize("code", ["    x = 1", "    x = 1\n", "\n\n    x = 1\n\n", "x", "    \n", "'"])
def test_a_piece_of_code_is_shown_as_it_is(code):
    assert shown(code, "python") == code


def test_nothing_within_code_is_changed():
    code = '```python\ndef f(x):  # a **note** with \\times\n    return x**2 + "\\frac{1}{2}"\n```\n'
    assert shown(code) == code


def test_code_goes_on_from_one_step_into_the_next():
    first, language = draw("```python\ndef f(x):\n", None)
    assert language == "python"
    second, after = draw("    return **x**\n```\nDone **now**.", language)
    assert ("return", "bold") in second
    assert "".join(piece for piece, _ in second) == "    return **x**\n```\nDone now."
    assert after is None
    assert ("def", "bold") in first


def test_code_of_an_unknown_language_stays_as_it_is():
    assert shown("```\n**a**\n```\n```nosuch\n**b**\n```\n") == "```\n**a**\n```\n```nosuch\n**b**\n```\n"


def test_a_base_style_is_kept_below_all_others():
    assert draw("a **b**", None, "dim")[0] == [("a ", "dim"), ("b", "dim bold")]


def view(screen, color):
    from confspec_cli.render.choose import choose
    from confspec_cli.render.options import Color, Show

    run = Recorder()
    run.draft("Use **a loop**:\n\n```python\ndef f(x):\n")
    run.draft("    return x**2  # **kept**\n```\n\n")
    run.salvaged("It is 3 \\times ", "5.", "4.\n\n")
    run.draft("So \\boxed{3 \\times 4}.")
    renderer = choose(screen, screen, Show(color=Color(color)), {"TERM": "xterm"}, clock=lambda: 0.0)
    for event in run.finish():
        renderer.handle(event)
    renderer.close()
    return screen.text


def test_a_terminal_with_colours_shows_steps_drawn():
    text = view(Screen(80, 24), "always")
    assert "Use a loop:" in text
    assert "return x**2  # **kept**" in text
    assert "So 3 × 4." in text


def test_a_salvaged_step_keeps_the_colours_of_its_authors():
    assert "It is 3 \\times 4." in view(Screen(80, 24), "always")


def test_without_colours_everything_stays_as_it_was_written():
    text = view(Screen(80, 24), "never")
    assert "Use **a loop**:" in text
    assert "So \\boxed{3 \\times 4}." in text


def test_where_the_encoding_lacks_the_signs_everything_stays_as_it_was_written():
    class Old(Screen):
        encoding = "latin-1"

    assert "So \\boxed{3 \\times 4}." in view(Old(80, 24), "always")
