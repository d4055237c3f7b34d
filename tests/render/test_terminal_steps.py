"""A step in the step view: its mark, its colours, its figure, and what was rejected of it."""

import re

import pytest
from rich.cells import cell_len
from support.recorded_runs import Recorder, sample
from support.window import Window, long_run

from confspec_cli.core.events import StepCommitted, StepDropped, StepOpened, StepWritten
from confspec_cli.core.trace import Author, Cause, DropReason, Origin, Step, WrittenStep
from confspec_cli.render.options import Color
from confspec_cli.render.symbols import ASCII, UNICODE

GOLDEN_40_WITH_CONFIDENCE = """\
 1 ✓ draft                         0.99
  We need the product of 6 and 7.

 2 ▲ escalated              0.60 → 0.90
  Six sevens can be added up: 7 + 7 + 7
  + 7 + 7 + 7.

   ✗ draft                  0.40 → 0.10
  rejected by the target (0.10 < 0.50)
  · 4 tokens, 1.0 s
 3 ↻ target
  That makes 42, as 14 + 14 + 14 = 42."""


def test_each_origin_has_a_colour_of_its_own():
    window = Window(color=Color.ALWAYS).play(sample())
    assert {"32", "33", "35", "1", "2"} <= window.styles


def test_a_rejected_draft_is_struck_through():
    assert "9" in "".join(Window(color=Color.ALWAYS, rejected=True).play(sample()).styles)
    assert "9" not in "".join(Window(color=Color.ALWAYS).play(sample()).styles)


def test_ascii_marks_stand_in_where_the_encoding_needs_them():
    text = Window(marks=ASCII).play(sample()).text
    assert " 1 [D] draft       We need" in text
    assert " 2 [E] escalated   Six" in text
    assert " 3 [T] target      That makes 42" in text


@pytest.mark.parametrize(("rejected", "mark"), [("That makes 44.", "↻"), (None, "·"), ("", "·")])
def test_a_step_of_the_target_is_marked_as_a_rejected_draft_only_where_there_was_a_draft(rejected, mark):
    run = Recorder()
    run.events.append(StepCommitted(Step(1, Origin.TARGET, "It is 42.", 4, False, 1.0, rejected_text=rejected)))
    assert f"{mark} target     It is 42." in Window().play(run.finish()).text


def handed_over_at_once():
    run = Recorder()
    unsure = WrittenStep(Author.DRAFT, "", 0, False, None, 0.4, 0.4, unsure=True)
    run.events += [StepOpened(1, Author.DRAFT, True), StepWritten(1, unsure), StepDropped(1, unsure, DropReason.UNSURE)]
    step = Step(1, Origin.TARGET, "It is 42.", 4, False, 1.0, rejected_text="", cause=Cause.UNSURE)
    run.events.append(StepCommitted(step))
    return run.finish()


def test_a_step_handed_over_at_its_first_token_is_one_the_target_took_over():
    assert " 1 ↻ target     It is 42." in Window().play(handed_over_at_once()).lines
    assert "unsure" not in Window().play(handed_over_at_once()).text


def test_that_a_draft_was_unsure_at_its_first_token_is_told_with_the_rejected_drafts():
    text = Window(rejected=True).play(handed_over_at_once()).text
    assert "✗ draft      draft unsure at its first token · 0.4 s" in text


@pytest.mark.parametrize("width", [30, 80, 140])
def test_in_brief_every_step_is_one_line(width):
    lines = Window(width, brief=True).play(long_run()).text.split("\n")
    steps = [line for line in lines if re.match(r" \d [✓▲↻] (draft|escalated|target)", line)]
    assert len(steps) == 4
    assert lines[:4] == steps
    assert steps[0].endswith("…")
    assert all(cell_len(line) < width for line in steps)


@pytest.mark.parametrize(
    ("cause", "label"), [(Cause.ANSWER_NOW, "→ you        "), (Cause.THINK_BUDGET, "→ inserted   ")]
)
def test_a_step_that_neither_model_wrote_says_whose_it_is(cause, label):
    run = Recorder(think=True)
    run.draft("Hm.\n\n")
    run.events.append(StepCommitted(Step(2, Origin.INJECTED, "Time is up.\n</think>\n\n", 0, False, 0.0, cause=cause)))
    assert f"{label}Time is up." in Window().play(run.finish()).text


def salvaged():
    run = Recorder()
    run.salvaged("Six times", " nine is 54.\n\n", " seven is 42.")
    return run.finish()


def styled(events, **show):
    """The styled pieces of text that a window was sent, each once and without white space around them."""
    window = Window(color=Color.ALWAYS, **show)
    sent = []
    window.write = lambda text: sent.append(text) or len(text)
    window.play(events)
    found = re.findall(r"\x1b\[([\d;]+)m([^\x1b]*)", "".join(sent))
    return list(dict.fromkeys((codes, text.strip()) for codes, text in found))


def test_a_salvaged_step_is_one_step_whose_colour_changes_where_the_target_took_over():
    assert " 1 ▲↻ salvaged  Six times seven is 42." in Window().play(salvaged()).text
    assert Window().play(salvaged()).text.count("Six times") == 1
    colours = [(codes, text) for codes, text in styled(salvaged()) if text in ("Six times", "seven is 42.")]
    assert colours == [("33", "Six times"), ("35", "seven is 42.")]


def test_of_a_salvaged_step_only_what_was_rejected_is_struck_through():
    struck = [text for codes, text in styled(salvaged(), rejected=True) if "9" in codes.split(";")]
    assert struck == ["… nine is 54."]
    lines = Window(rejected=True).play(salvaged()).lines
    assert lines[0] == "   ✗ draft      … nine is 54."
    assert "rejected by the target (0.10 < 0.50) · 6 tokens, 1.0 s" in lines[1]
    assert lines[2].strip() == "3 of them kept"
    assert " 1 ▲↻ salvaged  Six times seven is 42." in lines


def test_a_figure_stands_beside_the_text_it_is_about():
    assert Window(40, confidence=True).play(sample()).text.startswith(GOLDEN_40_WITH_CONFIDENCE)
    lines = Window(80, confidence=True, rejected=True).play(sample()).lines
    figures = [(line[16:20], line[66:].strip()) for line in lines if re.search(r"\d\.\d\d$", line)]
    assert figures == [("We n", "0.99"), ("Six ", "0.60 → 0.90"), ("That", "0.40 → 0.10"), ("The ", "0.99")]
    assert all(len(line) == 79 for line in lines if re.search(r"\d\.\d\d$", line))


def test_who_rejected_a_draft_is_told_with_the_draft():
    assert "rejected by the target (0.10 < 0.50) · 4 tokens, 1.0 s" in Window(rejected=True).play(sample()).text
    assert "0.40" not in Window(rejected=True).play(sample()).text


def test_a_draft_that_came_to_nothing_before_it_was_checked_has_no_line():
    run = Recorder()
    nothing = WrittenStep(Author.DRAFT, "", 0, False, None, 0.5, 0.5, unsure=True)
    run.events.append(StepDropped(1, nothing, DropReason.UNSURE))
    run.sole(Author.TARGET, "It is 42.")
    assert Window(confidence=True).play(run.finish()).lines[0] == " 1 · target     It is 42."


def test_numbers_beyond_99_keep_the_text_aligned_as_far_as_they_can():
    run = Recorder()
    for n in range(101):
        run.draft(f"Step number {n + 1}.\n")
    lines = Window().play(run.finish()).lines
    assert lines[8] == " 9 ✓ draft      Step number 9."
    assert lines[98] == "99 ✓ draft      Step number 99."
    assert lines[99] == "100 ✓ draft     Step number 100."


def every_kind():
    """A run with a step of every kind."""
    run = Recorder()
    run.sole(Author.TARGET, "The target writes the first step of this run alone.\n\n")
    run.draft("The draft writes one that is not checked by anybody else.\n\n")
    run.escalated("The draft writes one that the target reads and finds right.\n\n")
    run.target("The draft writes one that the target finds wrong.\n\n", "The target writes it again.\n\n")
    run.salvaged("Of one the beginning", " of which is right the end is wrong.\n\n", " stays.\n\n")
    run.events.append(StepCommitted(Step(6, Origin.INJECTED, "Answer: ", 0, False, 0.0, cause=Cause.ANSWER_NOW)))
    return run.finish()


@pytest.mark.parametrize("marks", [UNICODE, ASCII], ids=["unicode", "ascii"])
@pytest.mark.parametrize("width", [40, 80, 200])
@pytest.mark.parametrize("show", [{}, {"rejected": True}, {"brief": True}], ids=str)
def test_whatever_became_of_a_step_its_figure_is_at_the_right_and_fits(width, marks, show):
    lines = Window(width, marks=marks, confidence=True, **show).play(every_kind()).lines
    figures = [line for line in lines if re.search(r"\d\.\d\d$", line)]
    assert [re.sub(r".*?((\d\.\d\d -?.? )?\d\.\d\d)$", r"\1", line).replace("->", "→") for line in figures] == [
        *("0.99", "0.60 → 0.90"),
        *("0.40 → 0.10", "0.40 → 0.10"),
    ]
    assert len({cell_len(line) for line in figures}) == 1
    assert all(cell_len(line) < width for line in lines)


def test_what_was_rejected_has_the_figure_where_it_is_shown_and_else_the_step_made_of_it():
    hidden = Window(80, confidence=True).play(salvaged()).lines
    assert re.fullmatch(r" 1 ▲↻ salvaged  Six times seven is 42\. +0\.40 → 0\.10", hidden[0])
    shown = Window(80, confidence=True, rejected=True).play(salvaged()).lines
    assert re.fullmatch(r"   ✗ draft      … nine is 54\. +0\.40 → 0\.10", shown[0])
    assert " 1 ▲↻ salvaged  Six times seven is 42." in shown
