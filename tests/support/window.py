"""A window with a step view on it, and a run too large for it."""

import itertools

from confspec_cli.render.console import make_console
from confspec_cli.render.options import Color, Show
from confspec_cli.render.symbols import UNICODE
from confspec_cli.render.terminal import TerminalView
from support.recorded_runs import Recorder
from support.screen import Screen


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


def long_run():
    run = Recorder()
    run.draft("First, " + "we say a good deal about it, " * 9 + "and so on.\n\n")
    run.escalated("\n".join(f"{n}. Item number {n} of a list that is taller than the window." for n in range(1, 41)))
    run.target("Wrong. " * 30 + "\n\n", "所以余数是二,因为二的一百次方除以七余二。" * 6 + "🎉" * 50 + "\n\n")
    run.draft("Done.\n")
    return run.finish()
