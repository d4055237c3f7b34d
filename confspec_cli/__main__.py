"""The entry point: signal handlers first, so that Ctrl-C is never a traceback, even during imports."""

from __future__ import annotations

import os
import signal
import sys


def run() -> None:
    """The console script."""
    for number in (signal.SIGINT, signal.SIGTERM):  # while there is nothing to lose, a signal ends the process at once
        signal.signal(number, lambda number, _: os._exit(128 + number))
    _open_closed_streams()
    from confspec_cli.app import main  # noqa: PLC0415 - after the signals
    from confspec_cli.errors import Interrupted  # noqa: PLC0415
    from confspec_cli.runtime import signals  # noqa: PLC0415

    signals.raise_errors()
    try:
        code = main(sys.argv[1:])
    except Interrupted as error:  # a second one, while the first was being told
        code = error.exit_code
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # what a reader who has left did not take goes nowhere, quietly
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    raise SystemExit(code)


def _open_closed_streams() -> None:
    """Open closed standard streams to nowhere; otherwise the next file opened (say, a model) takes their number."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            mode = "r" if name == "stdin" else "w"
            file = os.open(os.devnull, os.O_RDONLY if mode == "r" else os.O_WRONLY)
            if file != number:
                os.dup2(file, number)
                os.close(file)
            setattr(sys, name, open(number, mode, encoding="utf-8", closefd=False))  # noqa: SIM115


if __name__ == "__main__":
    run()
