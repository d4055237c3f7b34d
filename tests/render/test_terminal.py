"""The step view, as a person sees it."""

import pytest
from support.recorded_runs import Recorder, sample
from support.window import Window

from confspec_cli.core.trace import Author
from confspec_cli.render.options import Show
from confspec_cli.render.symbols import UNICODE
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


def test_a_run_interrupted_in_its_first_step_counts_no_steps():
    run = Recorder()
    run.begin(Author.TARGET, "That is", provisional=False)
    window = Window().play(run.finish("interrupted", partial="That is"))
    assert window.lines[-1] == "Interrupted after 0.0 s, in step 1."


def test_a_warning_begins_on_the_line_of_its_mark():
    run = Recorder()
    run.warn("the draft runs on the processor, which takes a long time with models as large as these two")
    assert Window().play(run.events).lines[0].startswith("warning: the draft runs")


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


def test_a_second_run_begins_anew_below_the_first():
    window = Window().play(sample()).play(sample())
    assert window.text == f"{GOLDEN_80}\n\n{GOLDEN_80}"
