"""The child process of sandbox.py: gives up what it will not need, runs a program, and says a word if it got through.

Run by path, alone: it imports nothing of ours.
"""

from __future__ import annotations

import _posixsubprocess
import ctypes
import json
import os
import resource
import sys
from types import CodeType

_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000  # linux/sched.h
_FORBIDDEN = (  # events of Python's audit table
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.exec",
    "os.system",
    "os.kill",
    "os.killpg",
    "subprocess.",
    "socket.connect",
    "socket.bind",
    "socket.send",
    "socket.get",
    "ctypes.",
    "signal.pthread_kill",
)
_CHANGES = (
    "os.chmod",
    "os.chown",
    "os.link",
    "os.mkdir",
    "os.remove",
    "os.rename",
    "os.rmdir",
    "os.symlink",
    "os.truncate",
    "shutil.",
)
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


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
    _posixsubprocess.fork_exec = _fork_exec  # tells no hook
    home = os.path.realpath(os.curdir)
    sys.addaudithook(lambda event, arguments: _refuse(event, arguments, home))


def _refuse(event: str, arguments: tuple[object, ...], home: str) -> None:
    changes = event.startswith(_CHANGES) or (event == "open" and _writes(arguments[2]))
    afresh = event == "import" and arguments[0] == _posixsubprocess.__name__
    if event.startswith(_FORBIDDEN) or afresh or (changes and any(_is_outside(path, home) for path in arguments[:2])):
        raise PermissionError(event)


def _fork_exec(*_: object) -> int:
    raise PermissionError("fork_exec")


def _writes(flags: object) -> bool:
    return isinstance(flags, int) and bool(flags & _WRITING)


def _is_outside(path: object, home: str) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False  # a mode, or a file that is open already
    real = os.path.realpath(os.fsdecode(path))
    return real != os.devnull and os.path.commonpath([real, home]) != home


if __name__ == "__main__":
    main()
