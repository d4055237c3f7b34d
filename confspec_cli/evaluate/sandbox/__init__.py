"""Running code that a model wrote, behind walls, and deciding outside its process whether it passes its tests.

Two processes, each behind the walls of walls.py: one runs the model's code, the other the tests. They speak through
pipes, and only plain values cross (calls.py), so the code never meets its tests and cannot pass by changing them.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import IO

SECONDS = 10
BYTES = 1 << 30
USE_KERNEL = True  # off only where a test wants the limits of Python alone

_CHILD = Path(__file__).with_name("child.py")
_PASSED = "passed"


@dataclass(frozen=True, slots=True)
class Program:
    """Code on trial: `parts` run one after the other in one namespace, behind what the problem itself gives.

    The functions of `given` are run for the tests apart, so the model's code cannot change what the tests use of them.
    """

    parts: Sequence[str]
    given: str = ""


def passes(program: Program, tests: str, entry_point: str, seconds: int = SECONDS) -> bool:
    """Whether the tests, which define `check(candidate)`, pass; False for what does not end in time."""
    return _run(program, tests, f"check({entry_point})", seconds)[1:] == [_PASSED]


@cache
def walls() -> str:
    """What keeps the code in on this machine, in words."""
    in_force = json.loads((_run(Program(()), "", "", SECONDS) or ["[]"])[0])
    return " + ".join(in_force) if in_force else "only Python-level limits"


def _run(program: Program, tests: str, check: str, seconds: int) -> list[str]:
    """The lines that the process of the tests says: the walls it stands behind, and `passed` if they passed."""
    limits = {"seconds": seconds, "memory": BYTES, "use_kernel": USE_KERNEL}
    to_code, to_tests = os.pipe(), os.pipe()
    children: list[subprocess.Popen[bytes]] = []
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryFile() as said:
        try:
            code = {**limits, "role": "code", **asdict(program), "pipes": (to_code[0], to_tests[1])}
            children.append(_start(code, folder, subprocess.DEVNULL))
            judge = {**limits, "role": "tests", "given": program.given, "tests": tests, "check": check}
            children.append(_start({**judge, "pipes": (to_tests[0], to_code[1])}, folder, said))
            for end in (*to_code, *to_tests):
                os.close(end)
            with suppress(subprocess.TimeoutExpired):
                children[-1].wait(seconds + 1)
        finally:
            for child in children:
                with suppress(ProcessLookupError):
                    os.killpg(child.pid, signal.SIGKILL)
                child.wait()
        said.seek(0)
        return said.read(1000).decode(errors="replace").splitlines()


def _start(task: dict[str, object], folder: str, stdout: IO[bytes] | int) -> subprocess.Popen[bytes]:
    pipes = task["pipes"]
    assert isinstance(pipes, tuple)
    with tempfile.TemporaryFile() as stdin:
        stdin.write(json.dumps(task).encode())
        stdin.seek(0)
        return subprocess.Popen(
            [sys.executable, "-I", str(_CHILD)],
            stdin=stdin,
            stdout=stdout,
            stderr=subprocess.DEVNULL,
            cwd=folder,
            env={"PATH": os.defpath, "HOME": folder, "TMPDIR": folder},
            pass_fds=pipes,
            start_new_session=True,
        )
