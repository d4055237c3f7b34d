"""The child process of sandbox.py: gives up what it will not need, runs a program, and says a word if it got through.

Run by path, alone: it imports nothing of ours.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import sys
from types import CodeType

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # linux/sched.h
_FORBIDDEN = (
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.exec",
    "os.system",
    "os.kill",
    "os.killpg",
    "subprocess.",
    "socket.",
    "ctypes.",
    "signal.pthread_kill",
)


def main() -> None:
    """Run the program on stdin, with its limits."""
    program, word, seconds, memory = json.load(sys.stdin)
    say = os.dup(1)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    code = compile(program, "program", "exec")
    _confine(seconds, memory)
    _run(code)
    os.write(say, word.encode())


def _run(code: CodeType) -> None:
    exec(code, {"__name__": "__main__"})


def _confine(seconds: int, memory: int) -> None:
    """Limits, no network where the system lets us leave it, and nothing that reaches outside from Python."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if sys.platform == "linux":  # elsewhere address space is no measure of memory
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        ctypes.CDLL(None).unshare(_NEW_USER | _NEW_NETWORK)
    sys.addaudithook(_refuse)


def _refuse(event: str, arguments: tuple[object, ...]) -> None:
    del arguments
    if event.startswith(_FORBIDDEN):
        raise PermissionError(event)


if __name__ == "__main__":
    main()
