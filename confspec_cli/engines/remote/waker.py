"""Wakes a call that waits for a server when the interrupt is set: a thread watches while calls are in progress."""

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
        self._calls = 0
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_closed = False

    @contextmanager
    def watching(self) -> Iterator[None]:
        """While this holds, a call is in progress."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="interrupt", daemon=True)
            self._thread.start()
        self._count(1)
        try:
            yield
        finally:
            self._count(-1)

    def add(self, new: socket.socket) -> None:
        """A call may wait for this one."""
        with self._changed:
            self._sockets = [*(one for one in self._sockets if one.fileno() >= 0), new]

    def close(self) -> None:
        """End the watch."""
        with self._changed:
            self._is_closed = True
            self._changed.notify()

    def _count(self, change: int) -> None:
        with self._changed:
            self._calls += change
            self._changed.notify()

    def _watch(self) -> None:
        with self._changed:
            while not self._is_closed:
                while self._calls and self._interrupt.is_set() and self._sockets:
                    with suppress(OSError, ValueError):
                        socket.socket.shutdown(self._sockets.pop(), socket.SHUT_RDWR)  # also with TLS on top of it
                self._changed.wait(LOOK if self._calls else None)
