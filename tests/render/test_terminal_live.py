"""The step being written, in the step view: drawn again and again, and gone in the end."""

import itertools

import pytest
from support.recorded_runs import Recorder, sample
from support.window import Window, long_run

from confspec_cli.core.events import StepCommitted, StepOpened, TextWritten
from confspec_cli.core.trace import Author


def writing(text, author=Author.DRAFT, provisional=True):
    run = Recorder()
    run.begin(author, text, provisional)
    return run.events


def test_a_draft_is_shown_while_it_is_written_then_judged():
    events = sample()
    first_judged = [type(event).__name__ for event in events].index("StepWritten")
    window = Window().play(events[:first_judged])
    assert window.lines == [" 1 … draft      We need the product of 6 and 7."]
    window.play(events[first_judged : first_judged + 1])
    assert window.lines == [" 1 ? checking   We need the product of 6 and 7."]


def test_a_step_that_escalates_says_that_the_target_is_judging():
    events = sample()
    escalated = [type(event).__name__ for event in events].index("StepJudged", 20)
    assert "▲ checking   Six sevens" in Window().play(events[: escalated + 1]).text


def test_a_rejected_draft_collapses():
    events = sample()
    dropped = [type(event).__name__ for event in events].index("StepDropped")
    window = Window().play(events[:dropped])
    assert "That makes 44." in window.text
    window.play(events[dropped:])
    assert "44" not in window.text


def test_the_cursor_is_hidden_while_a_step_is_live_and_comes_back():
    window = Window().play(writing("Half of it"))
    assert not window.cursor_shown
    window.view.close()
    window.view.close()
    assert window.cursor_shown
    assert window.text == ""


def test_drawing_again_waits_for_a_fifteenth_of_a_second():
    now = [0.0]
    window = Window(clock=lambda: now[0]).play([StepOpened(1, Author.DRAFT, True)])
    before = window.writes
    window.play([TextWritten(1, Author.DRAFT, "word ")] * 50)
    assert window.writes == before
    now[0] = 0.07
    window.play([TextWritten(1, Author.DRAFT, "word ")])
    assert window.writes == before + 1


def test_every_drawing_is_one_write():
    window = Window()
    for event in long_run():
        before = window.writes
        window.play([event])
        assert window.writes <= before + 1 + (type(event).__name__ == "RunFinished")


def test_of_a_step_taller_than_the_window_the_end_is_live_and_the_whole_is_kept_once():
    events = long_run()
    tall = next(n for n, event in enumerate(events) if isinstance(event, StepCommitted) and event.step.n == 2)
    window = Window().play(events[:tall])
    assert "… 33 lines above" in window.text
    assert "Item number 12 " not in window.text
    window.play(events[tall:])
    for number in range(1, 41):
        assert window.text.count(f"Item number {number} ") == 1
    assert "lines above" not in window.text


@pytest.mark.parametrize("widths", [(120, 80), (70, 110), (100, 80, 120, 90), (120, 119, 121), (60, 40, 55)])
def test_resizing_in_mid_step_leaves_nothing_behind_and_doubles_nothing(widths):
    window = Window(widths[0], 40)
    turns = itertools.cycle(widths)
    window.write("$ confspec\n" * 40)
    for number, event in enumerate(long_run()):
        if number % 200 == 0:
            window.resize(next(turns))
        window.play([event])
    for gone in ("… draft", "… target", "lines above", "judging", "Wrong."):
        assert gone not in window.text
    assert window.text.count("$ confspec") == 40
    said = "".join(window.text.split())
    assert said.count("所以余数是二") == 6
    assert said.count("🎉") == 50
    for once in ("First,we", "andsoon.", "Done.", *(f"Itemnumber{number}of" for number in range(1, 41))):
        assert said.count(once) == 1, once


@pytest.mark.parametrize("widths", [(200, 30), (250, 20, 60), (40, 200, 25)])
def test_however_narrow_a_window_becomes_no_live_line_stays_in_it(widths):
    window = Window(widths[0], 12)
    turns = itertools.cycle(widths)
    for number, event in enumerate(long_run()):
        if number % 17 == 0:
            window.resize(next(turns))
        window.play([event])
        if isinstance(event, StepCommitted):
            assert "…" not in "".join(row.text for row in window.rows[-window.height :])


def test_warnings_stand_above_the_live_step():
    run = Recorder()
    run.begin(Author.DRAFT, "Half of", provisional=True)
    run.warn("the draft runs on the processor")
    assert Window().play(run.events).lines == ["warning: the draft runs on the processor", " 1 … draft      Half of"]
