"""What is thought and what is answered, however the text is cut into pieces."""

import random

import pytest
from support.scripted_chat import REWRITTEN, STEPS

from confspec_cli.core.thinking import reply_of
from confspec_cli.serve.text_parts import StopStrings, ThoughtSplitter


def pieces(text, seed):
    draw = random.Random(seed)
    cuts = sorted(draw.randrange(len(text) + 1) for _ in range(draw.randrange(8)))
    return [text[start:end] for start, end in zip([0, *cuts], [*cuts, len(text)], strict=True)]


TEXTS = [
    "Just an answer.",
    "<think>\nHm.\n</think>\n\nSo 42 < 43.",
    "Hm.</think>\n\nSo.",
    "Hm.</think>\n\n<think>Again.</think>\nSo <b> and </think>.",
    "\n <think>a</think>b",
    "<thin",
    "<think>never ends </thi",
    "</think>",
    "",
]


# A thought that nothing opened is known only once the reply is over: ReplyParts waits for that.
CASES = [(text, False) for text in TEXTS if "</think>" not in text or text.lstrip().startswith("<think>")]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(("text", "opened"), [*CASES, *((text, True) for text in TEXTS)])
def test_the_answer_is_what_the_run_says_it_is(text, opened, seed):
    splitter = ThoughtSplitter(opened)
    parts = [splitter.add(piece) for piece in pieces(text, seed)]
    whole, answer = reply_of(text, opened, may_think=False), "".join(said for _, said in parts)
    thought = "".join(thought for thought, _ in parts) + splitter.end()
    assert whole == answer or (whole.startswith(answer) and "<think>".startswith(whole[len(answer) :].lstrip()))
    if opened or text.lstrip().startswith("<think>"):
        assert thought.replace("\n", "") == expected_thought(text, opened).replace("\n", "")


def expected_thought(text, opened):
    parts = []
    text = text if opened else text.lstrip().removeprefix("<think>")
    while True:
        before, closed, text = text.partition("</think>")
        parts.append(before)
        if not closed or not text.lstrip().startswith("<think>"):
            return "".join(parts)
        text = text.lstrip().removeprefix("<think>")


@pytest.mark.parametrize("seed", range(50))
@pytest.mark.parametrize("stops", [(), ("step",), ("second one", "sec"), ("\n\nS", "zzz"), ("x",)])
def test_a_stop_string_is_found_wherever_the_pieces_meet(stops, seed):
    text = "".join(STEPS + REWRITTEN)
    strings = StopStrings(stops)
    said = "".join(strings.add(piece) for piece in pieces(text, seed)) + strings.add("", is_last=True)
    where = min((text.find(stop) for stop in stops if stop in text), default=len(text))
    assert said == text[:where]
    assert strings.is_reached == (where < len(text))
