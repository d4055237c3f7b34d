"""Running code that a model wrote, in a child process that can do little else.

It has limits on time, memory and what it writes, no network and no processes of its own, and changes no file outside
a folder that goes with it. That keeps accidents in, which is what a model's code needs; it is no wall against somebody
who means harm.
"""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
import sys
import tempfile
from contextlib import suppress
from pathlib import Path

SECONDS = 10
BYTES = 1 << 30

_CHILD = Path(__file__).with_name("sandbox_child.py")


def passes(program: str, tests: str, entry_point: str, seconds: int = SECONDS) -> bool:
    """Whether the tests, which define `check(candidate)`, pass for the function; False for what does not end in time.

    The child says so with a word it is given, after the tests: leaving early says nothing.
    """
    word = secrets.token_hex(16)
    task = json.dumps([f"{program}\n\n{tests}\n\ncheck({entry_point})\n", word, seconds, BYTES])
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:  # a file, so limited
        child = subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder},
            start_new_session=True,
        )
        try:
            child.communicate(task.encode(), timeout=seconds + 1)
        except subprocess.TimeoutExpired:
            return False
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.communicate()
        said.seek(0)
        return said.read(2 * len(word)).decode(errors="replace") == word
