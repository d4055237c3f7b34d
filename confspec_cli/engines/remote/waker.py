"""Wakes calls that wait for a server when their interrupt is set: one thread watches over all that share it."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from confspec_cli.core.engine import Interrupt

LOOK = 0.05  # seconds between two looks at the interrupt


class Waker:
    """Shuts down the sockets of one connection, so that whoever waits for them goes on."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._sockets: list[socket.socket] = []
        self._interrupt = interrupt
        self._watch = _watch_over(interrupt, self)

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this holds, a call is in progress."""
        self._watch.count(self, 1)
        try:
            yield
        finally:
            self._watch.count(self, -1)

    def add(self, new: socket.socket) -> None:
        """A call may wait for this one."""
        self._sockets = [*(one for one in self._sockets if one.fileno() >= 0), new]

    def close(self) -> None:
        """End the watch over this connection."""
        _end(self._interrupt, self)

    def wake(self) -> None:
        """Shut the sockets down."""
        while self._sockets:
            with suppress(OSError, ValueError):
                socket.socket.shutdown(self._sockets.pop(), socket.SHUT_RDWR)  # also with TLS on top of it


class _Watch:
    """Looks at an interrupt while any connection that shares it is in a call."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._calls: dict[Waker, int] = {}
        self._in_progress = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None

    def enter(self, waker: Waker) -> None:
        """One more connection."""
        with self._changed:
            self._calls[waker] = 0

    def leave(self, waker: Waker) -> bool:
        """One connection less, and whether it was the last: then the thread ends."""
        with self._changed:
            self._in_progress -= self._calls.pop(waker, 0)
            self._changed.notify()
            return not self._calls

    def count(self, waker: Waker, change: int) -> None:
        """A call of this connection begins or ends."""
        with self._changed:
            if waker not in self._calls:
                return
            self._calls[waker] += change
            self._in_progress += change
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="interrupt", daemon=True)
                self._thread.start()
            elif self._in_progress == change:  # it had nothing to watch over
                self._changed.notify()

    def _run(self) -> None:
        with self._changed:
            while self._calls:
                if self._in_progress and self._interrupt.is_set():
                    for waker in [waker for waker, calls in self._calls.items() if calls]:
                        waker.wake()
                self._changed.wait(LOOK if self._in_progress else None)
            self._thread = None


_watches: dict[Interrupt, _Watch] = {}
_lock = threading.Lock()


def _watch_over(interrupt: Interrupt, waker: Waker) -> _Watch:
    with _lock:
        watch = _watches.setdefault(interrupt, _Watch(interrupt))
        watch.enter(waker)
        return watch


def _end(interrupt: Interrupt, waker: Waker) -> None:
    with _lock:
        watch = _watches.get(interrupt)
        if watch and watch.leave(waker):
            del _watches[interrupt]
