"""A Python of our own as a child process, which imports from where this one does and from nowhere else.

`python -m` and `python -c` put the current folder first: a file there called `tempfile.py` would be run. `-I` would
leave out what a user put on PYTHONPATH, and Python 3.10 knows no `-P`.
"""

from __future__ import annotations

import sys

_RUN = (
    "import sys; sys.path[:] = {path!r}; "
    "from runpy import run_module; run_module({module!r}, run_name='__main__', alter_sys=True)"
)


def python_module(module: str, *arguments: str) -> list[str]:
    """The command that runs a module as `python -m` does."""
    path = [str(entry) for entry in sys.path if entry]
    return [sys.executable, "-c", _RUN.format(path=path, module=module), *arguments]
