"""The process: signals first, so that Ctrl-C is never a traceback, not even while Python still imports."""

from __future__ import annotations

import os
import signal
import sys
from types import FrameType


def run() -> None:
    """The console script: the command line with the process's own arguments, streams and signals."""
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, _leave)
    from confspec_cli.app import main  # noqa: PLC0415 - after the signals
    from confspec_cli.errors import Exit, Interrupted  # noqa: PLC0415

    def stop(number: int, frame: FrameType | None) -> None:
        """An error like any other, so that it ends in the same place."""
        del frame
        error = Interrupted("Stopped.")
        error.exit_code = Exit.INTERRUPTED if number == signal.SIGINT else Exit.TERMINATED
        raise error

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, stop)
    try:
        code = main(sys.argv[1:])
    except Interrupted as error:  # while another error was being told
        code = error.exit_code
    _flush()
    raise SystemExit(code)


def _leave(number: int, frame: FrameType | None) -> None:
    del frame
    os._exit(128 + number)


def _flush() -> None:
    """Let go of the streams. What a reader who has left did not take goes nowhere, quietly."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


if __name__ == "__main__":
    run()
