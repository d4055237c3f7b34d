"""The text of a step as it is laid out."""

from confspec_cli.render.layout import body_of, wrap


def test_blank_lines_of_code_before_a_step_are_one_gap():
    body = body_of("    \n\n    x = 1\n    \n")
    assert (body.text, body.gap_before, body.gap_after) == ("    x = 1", True, True)


def test_a_name_that_fits_a_line_is_moved_to_the_left_rather_than_broken():
    name = "merged_list.append(list2[j])"
    assert wrap(f"{' ' * 12}{name}", 37) == [f"{' ' * 9}{name}"]
    assert wrap(f"  - {name} = {name}", 34) == [f"  - {name} =", f"    {name}"]
    assert wrap(f"    {name}", 20) == [f"    {name[:16]}", f"    {name[16:]}"]
