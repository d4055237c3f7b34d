"""The step view, as a person sees it."""

import itertools
import re

import pytest
from rich.cells import cell_len
from support.recorded_runs import Recorder, sample
from support.screen import Screen

from confspec_cli.core.events import StepCommitted, StepDropped, StepOpened, StepWritten, TextWritten
from confspec_cli.core.trace import Author, Cause, DropReason, Origin, Step, WrittenStep
from confspec_cli.render.console import make_console
from confspec_cli.render.options import Color, Show
from confspec_cli.render.symbols import ASCII, UNICODE
from confspec_cli.render.terminal import TerminalView

GOLDEN_80 = """\
 1 ✓ draft      We need the product of 6 and 7.

 2 ▲ escalated  Six sevens can be added up: 7 + 7 + 7 + 7 + 7 + 7.

 3 ↻ target     That makes 42, as 14 + 14 + 14 = 42.

 4 ✓ draft      The answer is **42**.

Answer: 42

✓✓✓✓✓✓✓✓✓✓✓▲▲▲▲▲▲▲▲▲▲▲▲↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻✓✓✓✓✓✓✓✓✓✓✓
✓ 2 draft  ▲ 1 escalated  ↻ 1 target · 38 tokens · 6.8 s · 5.6 tokens/s
about 1.1x the target alone"""

GOLDEN_200_WITH_EVERYTHING = """\
 1 ✓ draft      We need the product of 6 and 7.                                       \
                                       0.99

 2 ▲ escalated  Six sevens can be added up: 7 + 7 + 7 + 7 + 7 + 7.                    \
                                0.60 → 0.90

   ✗ draft      That makes 44.                                                        \
                                0.40 → 0.10
                rejected by the target (0.10 < 0.50) · 4 tokens, 1.0 s

 3 ↻ target     That makes 42, as 14 + 14 + 14 = 42.

 4 ✓ draft      The answer is **42**.                                                 \
                                       0.99

Answer: 42

✓✓✓✓✓✓✓✓✓✓✓▲▲▲▲▲▲▲▲▲▲▲▲↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻✓✓✓✓✓✓✓✓✓✓✓
✓ 2 draft  ▲ 1 escalated  ↻ 1 target · 38 tokens · 6.8 s · 5.6 tokens/s · about 1.1x the target alone

accepted by draft   2 of 4 checked (50%)
escalated           2 of 4 checked (50%)
accepted by target  1 of 2 escalated (50%)
written by target   10 of 38 tokens (26%)
discarded           4 of 32 drafted tokens (12%)

DDDDDDDDDDDDDDDDDDDDDDDDDDDDddddddddddvvvvvVVttTTTTTTTTTTTTTTTTT
D draft decode            3.0 s   44%
d draft prefill           1.0 s   15%
v draft verification      0.5 s    7%
V target verification     0.2 s    4%
t target prefill          0.2 s    4%
T target decode           1.8 s   26%"""

GOLDEN_40 = """\
 1 ✓ draft
  We need the product of 6 and 7.

 2 ▲ escalated
  Six sevens can be added up: 7 + 7 + 7
  + 7 + 7 + 7.

 3 ↻ target
  That makes 42, as 14 + 14 + 14 = 42.

 4 ✓ draft
  The answer is **42**.

Answer: 42

✓✓✓✓✓✓▲▲▲▲▲▲▲▲↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻↻✓✓✓✓✓✓✓
✓ 2 draft  ▲ 1 escalated  ↻ 1 target
38 tokens · 6.8 s · 5.6 tokens/s
about 1.1x the target alone"""

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


class Window(Screen):
    """A screen with a step view on it; a resize reaches both, as it does in a terminal."""

    def __init__(self, width=80, height=24, *, color=Color.NEVER, marks=UNICODE, clock=None, **show):
        super().__init__(width, height)
        self.console = make_console(self, color, {})
        self.console.size = (width, height)
        seconds = itertools.count()
        self.view = TerminalView(self.console, marks, Show(**show), clock or (lambda: next(seconds)))

    def play(self, events):
        for event in events:
            self.view.handle(event)
        return self

    def resize(self, width):
        super().resize(width)
        self.console.size = (width, self.height)


def writing(text, author=Author.DRAFT, provisional=True):
    run = Recorder()
    run.begin(author, text, provisional)
    return run.events


def long_run():
    run = Recorder()
    run.draft("First, " + "we say a good deal about it, " * 9 + "and so on.\n\n")
    run.escalated("\n".join(f"{n}. Item number {n} of a list that is taller than the window." for n in range(1, 41)))
    run.target("Wrong. " * 30 + "\n\n", "所以余数是二,因为二的一百次方除以七余二。" * 6 + "🎉" * 50 + "\n\n")
    run.draft("Done.\n")
    return run.finish()


@pytest.mark.parametrize(
    ("width", "show", "golden"),
    [
        (80, {}, GOLDEN_80),
        (40, {}, GOLDEN_40),
        (200, {"rejected": True, "confidence": True, "stats": True}, GOLDEN_200_WITH_EVERYTHING),
    ],
)
def test_a_run_is_drawn_as_it_should_be(width, show, golden):
    assert Window(width, **show).play(sample()).text == golden


def test_where_nothing_can_move_the_same_is_drawn_without_escape_sequences():
    window = Window()
    window.view = TerminalView(window.console, UNICODE, Show(), None)
    window.write = lambda text: written.append(text) or len(text)
    written = []
    window.play(sample())
    assert "\x1b" not in "".join(written)
    assert "".join(written).rstrip("\n") == GOLDEN_80


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


def test_a_run_interrupted_in_its_first_step_counts_no_steps():
    run = Recorder()
    run.begin(Author.TARGET, "That is", provisional=False)
    window = Window().play(run.finish("interrupted", partial="That is"))
    assert window.lines[-1] == "Interrupted after 0.0 s, in step 1."


def test_a_warning_begins_on_the_line_of_its_mark():
    run = Recorder()
    run.warn("the draft runs on the processor, which takes a long time with models as large as these two")
    assert Window().play(run.events).lines[0].startswith("warning: the draft runs")


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


def test_wide_characters_count_twice():
    run = Recorder()
    run.draft("所以余数是二,因为二的一百次方除以七余二。" * 4 + "🎉" * 60 + "\n")
    window = Window(60).play(run.finish())
    assert all(row.goes_on is False for row in window.rows)
    assert sum(line.count("🎉") for line in window.lines) == 60


def test_code_keeps_its_lines_and_indentation_and_a_folded_line_hangs_under_its_beginning():
    run = Recorder()
    run.draft("```python\ndef f(n):\n\n\tif n:\n\t\treturn " + "n + " * 20 + "1\n```\n")
    lines = Window(60).play(run.finish()).lines
    assert lines[:6] == [
        " 1 ✓ draft      ```python",
        "                def f(n):",
        "",
        "                    if n:",
        "                        return n + n + n + n + n + n + n +",
        "                        n + n + n + n + n + n + n + n + n +",
    ]


def test_a_word_longer_than_the_line_is_folded():
    run = Recorder()
    run.draft("x" * 150)
    window = Window(60).play(run.finish())
    assert sum(line.count("x") for line in window.lines) == 150
    assert max(len(line) for line in window.lines) < 60


@pytest.mark.parametrize("width", [1, 2, 9, 20])
def test_a_tiny_window_loses_no_word(width):
    window = Window(width, 3).play(sample())
    assert "".join(window.text.split()).count("42,as14") == 1


def test_what_a_terminal_would_obey_never_reaches_it():
    evil = "a\x1b]0;title\x07b\x1b[2Jc\x9b31md\re\x08f\x00g\x7f"
    run = Recorder()
    run.draft(evil)
    run.target(evil, evil)
    run.warn(evil)
    run.begin(Author.TARGET, evil, provisional=False)
    window = Window(rejected=True).play(run.finish("interrupted", partial=evil, answer=evil))
    assert window.text.count("a]0;titleb[2Jc31mdefg") == 6


def test_where_thinking_ends_a_blank_line_stands_for_the_tag():
    run = Recorder(think=True)
    run.draft("<think>\nSix times seven.\n</think>\n\n")
    run.draft("It is 42.")
    assert Window().play(run.finish()).lines[:3] == [
        " 1 ✓ draft      Six times seven.",
        "",
        " 2 ✓ draft      It is 42.",
    ]


def test_a_tag_on_its_own_leaves_a_blank_line_and_no_label():
    run = Recorder(think=True)
    run.draft("Six times seven.\n")
    run.draft("</think>\n\n")
    run.draft("")
    run.draft("\n\nIt is 42.")
    assert Window().play(run.finish()).lines[:3] == [
        " 1 ✓ draft      Six times seven.",
        "",
        " 4 ✓ draft      It is 42.",
    ]


def test_steps_of_a_list_stay_together():
    run = Recorder()
    run.draft("- one\n")
    run.draft("- two\n\n")
    run.draft("Done.")
    lines = Window().play(run.finish()).lines
    assert lines[:4] == [" 1 ✓ draft      - one", " 2 ✓ draft      - two", "", " 3 ✓ draft      Done."]


@pytest.mark.parametrize(
    ("reason", "answer", "says"),
    [
        ("length", None, "Stopped at the limit of 512 tokens, before an answer. Raise it with -n 1024."),
        ("length", "4", "Stopped at the limit of 512 tokens, before the reply was complete. Raise it"),
        ("context", None, "The context filled up before an answer."),
        ("repetition", None, "Stopped: the reply was repeating itself."),
        ("interrupted", None, "Interrupted after 1.1 s, in step 2."),
    ],
)
def test_a_run_that_did_not_come_to_its_end_says_so(reason, answer, says):
    run = Recorder()
    run.draft("Six times seven.\n\n")
    run.begin(Author.TARGET, "That is", provisional=False)
    window = Window().play(run.finish(reason, partial="That is", answer=answer))
    assert says in window.lines
    assert "   … cut off    That is" in window.lines
    assert window.text.count("That is") == 1


def test_a_run_by_one_model_says_who_wrote_it():
    run = Recorder(mode="target")
    run.sole(Author.TARGET, "It is 42.")
    window = Window(confidence=True, stats=True).play(run.finish())
    assert "· 1 target · 3 tokens · 2.0 s · 1.5 tokens/s" in window.lines
    assert "judg" not in window.text


def test_warnings_stand_above_the_live_step():
    run = Recorder()
    run.begin(Author.DRAFT, "Half of", provisional=True)
    run.warn("the draft runs on the processor")
    assert Window().play(run.events).lines == ["warning: the draft runs on the processor", " 1 … draft      Half of"]


def test_a_second_run_begins_anew_below_the_first():
    window = Window().play(sample()).play(sample())
    assert window.text == f"{GOLDEN_80}\n\n{GOLDEN_80}"


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
    """The styled pieces of text that a window was sent, without white space around them."""
    window = Window(color=Color.ALWAYS, **show)
    sent = []
    window.write = lambda text: sent.append(text) or len(text)
    window.play(events)
    return [(codes, text.strip()) for codes, text in re.findall(r"\x1b\[([\d;]+)m([^\x1b]*)", "".join(sent[-3:]))]


def test_a_salvaged_step_is_one_step_whose_colour_changes_where_the_target_took_over():
    assert " 1 ▲↻ salvaged  Six times seven is 42." in Window().play(salvaged()).text
    assert Window().play(salvaged()).text.count("Six times") == 1
    colours = [(codes, text) for codes, text in styled(salvaged()) if text.startswith(("Six", "seven"))]
    assert colours == [("33", "Six times"), ("35", "seven is 42.")]


def test_of_a_salvaged_step_only_what_was_rejected_is_struck_through():
    struck = [text for codes, text in styled(salvaged(), rejected=True) if "9" in codes.split(";")]
    assert struck == ["nine is 54."]
    lines = Window(rejected=True).play(salvaged()).lines
    assert lines[0] == " 1 ▲↻ salvaged  Six times [-nine is 54.-] seven is 42."
    assert "rejected by the target (0.10 < 0.50) · 6 tokens, 1.0 s" in lines[1]
    assert lines[2].strip() == "3 of them kept"


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
