"""The reply alone."""

import dataclasses
import io

import pytest
from support.recorded_runs import Recorder, sample, texts

from confspec_cli.core.events import StepCommitted, StepDropped
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.render.reply import ReplyText, ResultText


def said(events):
    stream = io.StringIO()
    renderer = ReplyText(stream)
    for event in events:
        renderer.handle(event)
    renderer.close()
    return stream.getvalue()


def run_of(*steps, think=False, reason=FinishReason.STOP, partial=""):
    run = Recorder(think=think)
    for step in steps:
        run.draft(step)
    return run.finish(reason, partial)


def test_the_reply_is_the_committed_steps_and_one_newline():
    assert said(sample()) == "".join(texts(sample())) + "\n"


@pytest.mark.parametrize("end", ["", "\n", "\n\n\n"])
def test_the_reply_ends_with_exactly_one_newline(end):
    assert said(run_of("One.\n\n", f"Two.{end}")) == "One.\n\nTwo.\n"


def test_steps_are_joined_as_they_were_written():
    assert said(run_of("a", "b\n", "\n\n", "c\n", "")) == "ab\n\n\nc\n"


def test_a_step_is_out_as_soon_as_it_is_final_and_never_before():
    stream = io.StringIO()
    renderer = ReplyText(stream)
    final = ""
    for event in sample():
        renderer.handle(event)
        if isinstance(event, StepCommitted):
            final += event.step.text
        assert stream.getvalue().strip("\n") == final.strip("\n")
        if isinstance(event, StepDropped):
            assert "44" not in stream.getvalue()


def test_thinking_is_left_out():
    events = run_of("<think>\nHm.\n\n", "Yes.\n</think>\n\n", "It is 42.", think=True)
    assert said(events) == "It is 42.\n" == events[-1].reply + "\n"


@pytest.mark.parametrize("steps", [("Hm.</th", "ink>\n", "\n42."), ("Hm.\n</think>42.",), ("</think>", "\n\n", "42.")])
def test_the_end_of_thinking_is_found_wherever_it_stands(steps):
    assert said(run_of(*steps, think=True)) == "42.\n"


def test_a_model_may_begin_to_think_unasked():
    assert said(run_of("<think>\nHm.\n", "</think>\n\n42.")) == "42.\n"


def test_what_follows_the_thinking_may_speak_of_tags():
    assert said(run_of("Hm.</think>", "Write </think> to end it.", think=True)) == "Write </think> to end it.\n"


def test_thinking_that_never_ends_leaves_nothing_to_say():
    assert said(run_of("Hm.\n\n", think=True, reason=FinishReason.LENGTH, partial="And so")) == ""


def test_the_partial_of_an_unfinished_step_is_said():
    assert said(run_of("One.\n\n", reason=FinishReason.INTERRUPTED, partial="Tw")) == "One.\n\nTw\n"


def test_a_run_that_breaks_off_still_ends_its_line():
    run = Recorder()
    run.draft("One")
    run.begin(Author.DRAFT, "Two", provisional=True)
    assert said(run.events) == "One\n"


def test_a_reply_of_nothing_is_no_line():
    assert said(run_of("")) == ""


def test_a_file_or_a_pipe_gets_the_reply_as_it_was_written():
    assert said(run_of("a\x1b[31mb\x9bc\td\r\n\u200fe")) == "a\x1b[31mb\x9bc\td\r\n\u200fe\n"


def test_what_the_encoding_cannot_carry_becomes_a_question_mark():
    raw = io.BytesIO()
    renderer = ReplyText(io.TextIOWrapper(raw, "ascii"))
    for event in run_of("x = ½ \ud800"):
        renderer.handle(event)
    assert raw.getvalue() == b"x = ? ?\n"


def test_several_thoughts_in_a_row_are_all_left_out():
    thoughts = ("One.\n</think>\n\n", "<think>Two.\n\n", "Still.</think>\n", "Eight.")
    assert said(run_of(*thoughts, think=True)) == "Eight.\n"


def replied(events, **changes):
    """The same run, its beginning and end changed."""
    first = dataclasses.replace(events[0], parameters={**events[0].parameters, **changes.pop("parameters", {})})
    return [first, *events[1:-1], dataclasses.replace(events[-1], **changes)]


def test_an_answer_in_a_form_comes_without_its_reasoning():
    events = replied(run_of("Reasoning.\n\n", '{"a": 1}'), reply='{"a": 1}', parameters={"form": "json"})
    assert said(events) == '{"a": 1}\n'


def test_a_thinker_told_not_to_think_is_waited_for():
    thinkers = {name: dataclasses.replace(card, thinks=True) for name, card in sample()[0].models.items()}
    events = replied(run_of("Slipped.\n</think>\n", "Eight."), reply="Eight.")
    assert said([dataclasses.replace(events[0], models=thinkers), *events[1:]]) == "Eight.\n"


@pytest.mark.parametrize(
    ("extract", "out"), [("42", "42\n"), ("def f():\n    pass\n", "def f():\n    pass\n"), (None, "")]
)
def test_a_result_is_all_there_is_of_a_run(extract, out):
    stream = io.StringIO()
    renderer = ResultText(stream)
    for event in replied(sample(), extract=extract):
        renderer.handle(event)
    renderer.close()
    assert stream.getvalue() == out


def on_a_terminal(monkeypatch, events, width):
    monkeypatch.setattr("confspec_cli.render.reply.width_of", lambda stream: width)
    return said(events)


def test_on_a_terminal_lines_are_broken_between_words_wherever_a_step_ends(monkeypatch):
    run = run_of("Twelve times twel", "ve is one hundred ", "and forty-four.\n", "So\n\nthat is it.")
    assert on_a_terminal(monkeypatch, run, 20).split("\n") == [
        *("Twelve times twelve", "is one hundred and", "forty-four.", "So", "", "that is it.", ""),
    ]


def test_a_word_that_fits_no_line_is_left_to_the_terminal(monkeypatch):
    assert on_a_terminal(monkeypatch, run_of(f"A {'x' * 30} b"), 20) == f"A\n{'x' * 30}\nb\n"


def test_code_on_a_terminal_is_as_it_was_written(monkeypatch):
    code = "```python\nreturn merged_list + list1[i:] + list2[j:]\n```\n"
    text = on_a_terminal(monkeypatch, run_of("Here is all of the code:\n", code, "And that is all of it."), 20)
    assert text == f"Here is all of the\ncode:\n{code}And that is all of\nit.\n"
