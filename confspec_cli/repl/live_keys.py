"""Keys that act during a run, read from the terminal by a separate thread. POSIX only.

A key acts only when it arrives alone, so pasted text and the byte sequences of arrow keys do nothing.
"""

from __future__ import annotations

import os
import select
import termios
import threading
import tty
from collections import deque
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TextIO


class LiveKeys:
    """Inside this context, each key in `actions` calls its action on the thread, and is noted for the main thread.

    It does nothing if `stream` is not a terminal. On exit, however it happens, the terminal is restored.
    """

    def __init__(self, stream: TextIO, actions: Mapping[str, Callable[[], None]]) -> None:
        self._stream = stream
        self._actions = actions
        self._pressed: deque[str] = deque()
        self._thread: threading.Thread | None = None

    def pressed(self) -> list[str]:
        """The keys pressed since the last call."""
        return [self._pressed.popleft() for _ in range(len(self._pressed))]

    def __enter__(self) -> LiveKeys:
        if self._stream.isatty():
            self._terminal = self._stream.fileno()
            self._before = termios.tcgetattr(self._terminal)
            self._wake, self._waker = os.pipe()
            tty.setcbreak(self._terminal)
            self._thread = threading.Thread(target=self._listen, name="keys", daemon=True)
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._thread is None:
            return
        try:
            os.write(self._waker, b"x")
            self._thread.join()
            os.close(self._wake)
            os.close(self._waker)
        finally:
            self._thread = None
            termios.tcsetattr(self._terminal, termios.TCSADRAIN, self._before)

    def _listen(self) -> None:
        while True:
            ready, _, _ = select.select([self._terminal, self._wake], [], [])
            if self._wake in ready:
                return
            try:
                pressed = os.read(self._terminal, 1024)
            except OSError:  # the terminal is gone
                return
            if not pressed:
                return
            key = pressed.decode("ascii", "replace")
            if action := self._actions.get(key):
                action()
                self._pressed.append(key)
