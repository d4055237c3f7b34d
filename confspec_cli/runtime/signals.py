"""Ctrl-C and TERM: an error like any other, or, while a model writes, a request to stop at the next token; and Ctrl-Z.

Signals belong to the process, so what came is remembered here: an error raised from a handler can be swallowed by
whatever library it lands in, and a person has only pressed Ctrl-C once.
"""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import Exit, Interrupted

_SIGNALS = (signal.SIGINT, signal.SIGTERM)
_came: list[int] = []


def raise_errors() -> None:
    """From here on a signal raises Interrupted in the main thread."""
    for number in _SIGNALS:
        signal.signal(number, _raise)


def forget() -> None:
    """What came so far has been obeyed: the process goes on, as it does after Ctrl-C in a conversation."""
    _came.clear()


@contextmanager
def stopping(interrupt: Interrupt) -> Iterator[list[int]]:
    """While this holds, a first signal asks the engines to stop; a second one raises. Yields the signals that came."""
    if _came:
        raise _error(_came[0])
    came: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        if came:
            _raise(number, frame)
        came.append(number)
        interrupt.set()

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield came
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _raise(number: int, frame: FrameType | None) -> None:
    del frame
    _came.append(number)
    raise _error(number)


def _error(number: int) -> Interrupted:
    error = Interrupted("Stopped.")
    error.exit_code = Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED
    return error


def exit_code(reason: FinishReason, signals: list[int]) -> Exit:
    """The exit code for how a run finished."""
    if signal.SIGTERM in signals:
        return Exit.TERMINATED
    return {
        FinishReason.STOP: Exit.OK,
        FinishReason.LENGTH: Exit.NO_ANSWER,
        FinishReason.REPETITION: Exit.NO_ANSWER,
        FinishReason.CONTEXT: Exit.CONTEXT_FULL,
        FinishReason.INTERRUPTED: Exit.INTERRUPTED,
        FinishReason.FAILED: Exit.FAILURE,
    }[reason]


class Suspension:
    """Inside this context, Ctrl-Z calls `pause` before the process stops and `resume` when it goes on.

    While something is being drawn the stop waits until that is done.
    """

    def __init__(self, pause: Callable[[], None], resume: Callable[[], None]) -> None:
        self._pause, self._resume = pause, resume
        self._is_busy = self._came = False

    def __enter__(self) -> Suspension:
        self._before = signal.getsignal(signal.SIGTSTP)
        if self._before is not signal.SIG_IGN:  # as it is where the shell has no job control
            signal.signal(signal.SIGTSTP, self._handle)
        return self

    def __exit__(self, *_: object) -> None:
        signal.signal(signal.SIGTSTP, self._before)

    @contextmanager
    def drawing(self) -> Iterator[None]:
        """While this holds, the process does not stop."""
        self._is_busy = True
        try:
            yield
        finally:
            self._is_busy = False
            if self._came:
                self._stop()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        del number, frame
        self._came = True
        if not self._is_busy:
            self._stop()

    def _stop(self) -> None:
        self._came = False
        self._pause()
        signal.signal(signal.SIGTSTP, signal.SIG_DFL)
        signal.raise_signal(signal.SIGTSTP)
        signal.signal(signal.SIGTSTP, self._handle)
        self._resume()
