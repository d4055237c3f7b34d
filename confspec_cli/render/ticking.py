"""A view that moves while nothing happens: during a long prefill no event comes, and the clock must go on."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Generic, Protocol, TypeVar

from confspec_cli.core.events import Event, RunFinished
from confspec_cli.errors import ConfspecError
from confspec_cli.render.live_line import LiveLine

_SECONDS_BETWEEN_TICKS = 0.25


class Redrawn(Protocol):
    """A renderer with a live part."""

    def handle(self, event: Event) -> None:
        """Process one event."""
        ...

    def redraw(self) -> None:
        """Draw the live part again."""
        ...

    def pause(self) -> None:
        """Take the live part off the screen, until it is drawn again."""
        ...

    def close(self) -> None:
        """Remove the live part."""
        ...


View = TypeVar("View", bound=Redrawn)


class Ticking(Generic[View]):
    """Passes events to the live line and to the view, and redraws the view between them, on a thread of its own.

    The thread runs from the first event of a run to the last, and never while the view is held.
    """

    def __init__(self, view: View, line: LiveLine) -> None:
        self._view = view
        self._line = line
        self._lock = threading.RLock()
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def handle(self, event: Event) -> None:
        """Pass an event on."""
        if isinstance(event, RunFinished):
            self._stop()
        with self._lock:
            self._line.handle(event)
            self._view.handle(event)
        if self._thread is None and not isinstance(event, RunFinished):
            self._over.clear()
            self._thread = threading.Thread(target=self._tick, name="ticking", daemon=True)
            self._thread.start()

    @contextmanager
    def held(self) -> Iterator[View]:
        """The view, which nothing redraws meanwhile."""
        with self._lock:
            yield self._view

    def pause(self) -> None:
        """Take the live part off the screen and restore the cursor; nothing is drawn until `resume`."""
        self._lock.acquire()
        self._view.pause()

    def resume(self) -> None:
        """Draw the live part again, below whatever was printed meanwhile."""
        self._view.redraw()
        self._lock.release()

    def close(self) -> None:
        """Stop, and close the view."""
        self._stop()
        self._view.close()

    def _stop(self) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _tick(self) -> None:
        while not self._over.wait(_SECONDS_BETWEEN_TICKS):
            with self._lock:
                try:
                    self._view.redraw()
                except ConfspecError:  # the terminal is gone: the next event finds out
                    return
