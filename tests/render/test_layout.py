"""The text of a step as it is laid out."""

from confspec_cli.render.layout import body_of


def test_blank_lines_of_code_before_a_step_are_one_gap():
    body = body_of("    \n\n    x = 1\n    \n")
    assert (body.text, body.gap_before, body.gap_after) == ("    x = 1", True, True)
