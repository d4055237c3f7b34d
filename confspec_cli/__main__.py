"""The process: signals first, so that Ctrl-C is never a traceback, not even while Python still imports."""

from __future__ import annotations

import os
import sys

from confspec_cli import signals


def run() -> None:
    """The console script: the command line with the process's own arguments, streams and signals."""
    signals.leave_at_once()
    from confspec_cli.app import main  # noqa: PLC0415 - after the signals
    from confspec_cli.errors import Interrupted  # noqa: PLC0415

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


if __name__ == "__main__":
    run()
