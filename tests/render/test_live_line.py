"""The line about a run in progress, and the thread that keeps it moving."""

import io
import threading

import pytest
from support.recorded_runs import Recorder, sample
from support.screen import Screen

from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.core.trace import Author
from confspec_cli.errors import ClosedPipe
from confspec_cli.render.choose import choose
from confspec_cli.render.live_line import LiveLine
from confspec_cli.render.options import Show
from confspec_cli.render.ticking import Ticking

KEYS = ("a answer now", "e check", "t target", "s steps", "Ctrl-C stop")


def line(width=80, seconds=7.5, events=None, reading=(0, 0)):
    now = [0.0]
    live = LiveLine(" · ", lambda: now[0], KEYS, lambda: reading)
    for event in events or sample()[:-1]:
        live.handle(event)
    now[0] = seconds
    return "".join(text.plain for text in live.draw(width))


@pytest.mark.parametrize(
    ("width", "said"),
    [
        (200, "step 4 · 5 tokens/s · 0:07 · a answer now · e check · t target · s steps · Ctrl-C stop"),
        (80, "step 4 · 5 tokens/s · 0:07 · a answer now · e check · t target · s steps"),
        (40, "step 4 · 5 tokens/s · 0:07"),
        (12, "step 4"),
    ],
)
def test_as_much_of_it_as_fits_tells_step_speed_clock_and_keys(width, said):
    assert line(width) == said


def test_a_long_prefill_tells_how_far_it_is():
    begun = sample()[:2]
    assert line(40, events=begun, reading=(1536, 3354)) == "reading prompt 1,536/3,354 · 0:07"
    assert line(40, reading=(512, 700)).startswith("reading 512/700 · 0:07")


def test_a_short_prefill_is_not_worth_a_word():
    assert line(40, events=sample()[:2], reading=(0, 20)).startswith("step 1 · 0:07")


def test_there_is_no_speed_before_there_is_something_to_measure():
    assert line(40, seconds=0.5).startswith("step 4 · 0:00 · a")
    assert line(40, seconds=125.0, events=sample()[:2]).startswith("step 1 · 2:05 · a")


def test_when_the_run_is_over_there_is_no_line():
    assert line(events=sample()) == ""


class Counting:
    """A view that counts how often it is redrawn."""

    def __init__(self, fails=False):
        self.redrawn = threading.Semaphore(0)
        self.fails = fails
        self.closed = 0

    def handle(self, event):
        pass

    def redraw(self):
        self.redrawn.release()
        if self.fails:
            raise ClosedPipe

    def pause(self):
        """There is nothing to take away."""

    def close(self):
        self.closed += 1


def test_it_moves_while_no_event_comes_and_stops_with_the_run():
    before = threading.active_count()
    view = Counting()
    ticking = Ticking(view, LiveLine(" · ", lambda: 0.0))
    for run in range(2):
        for event in sample()[: -1 if run else None]:
            ticking.handle(event)
            if isinstance(event, StepCommitted) and event.step.n == 1:
                assert view.redrawn.acquire(timeout=20)
        assert (threading.active_count() > before) is bool(run)
    ticking.close()
    ticking.close()
    assert threading.active_count() == before
    assert view.closed == 2


def test_a_terminal_that_is_gone_ends_the_thread_and_not_the_run():
    view = Counting(fails=True)
    ticking = Ticking(view, LiveLine(" · ", lambda: 0.0))
    for event in sample():
        ticking.handle(event)
        if isinstance(event, StepCommitted) and event.step.n == 1:
            assert view.redrawn.acquire(timeout=20)
    ticking.close()


class Reader(io.StringIO):
    """The stdout of a pipe whose reader shows everything on the same terminal, as `cat` does."""

    def __init__(self, screen):
        super().__init__()
        self._screen = screen

    def write(self, text):
        return self._screen.write(text)


def cat(events, width=60):
    """What is on the screen at the end, and what was there after every event."""
    screen = Screen(width, 24)
    now = [0.0]
    renderer = choose(Reader(screen), screen, Show(), {"TERM": "xterm"}, clock=lambda: now[0])
    seen = []
    for event in events:
        renderer.handle(event)
        now[0] += 1.0
        seen.append(screen.text)
    renderer.close()
    return screen, seen


def test_through_a_pipe_to_the_same_terminal_the_reply_is_there_once_and_the_line_is_gone():
    screen, seen = cat(sample())
    assert screen.text == "".join(event.step.text for event in sample() if isinstance(event, StepCommitted))
    assert screen.cursor_shown
    assert sum("Ctrl-C stop" in text for text in seen) > 5


def test_a_line_of_the_reply_that_is_not_complete_is_left_alone():
    run = Recorder()
    run.draft("It begins here and ")
    run.begin(Author.DRAFT, "goes", provisional=True)
    screen, seen = cat(run.events)
    assert "Ctrl-C stop" not in seen[-1]
    assert screen.text == "It begins here and "


def test_a_warning_beside_a_pipe_stays():
    run = Recorder()
    run.draft("Six.\n\n")
    run.warn("it is slow")
    screen, _ = cat([*run.finish("interrupted")])
    assert screen.lines == ["Six.", "warning: it is slow", "Interrupted after 1.1 s, in step 2."]


def test_the_line_stands_below_the_step_being_written_and_goes_with_the_run():
    screen = Screen(80, 24)
    renderer = choose(screen, screen, Show(), {"TERM": "xterm"}, clock=lambda: 0.0)
    for event in sample():
        if isinstance(event, RunFinished):
            assert screen.lines[-1] == "step 4 · 0:00 · Ctrl-C stop"
        renderer.handle(event)
    renderer.close()
    assert "Ctrl-C" not in screen.text
