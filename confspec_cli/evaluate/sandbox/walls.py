"""The walls around a process of the sandbox: limits, then the kernel's walls where it grants them, then Python's own.

Namespaces leave it nothing to write to but a private folder, no network, and no process to see but its own. Landlock
and seccomp say the same again, and stand where namespaces are refused. Python's audit hook is all there is elsewhere:
it keeps accidents in, not somebody who means harm. Standard library only, and of ours kernel.py alone.
"""

from __future__ import annotations

import _posixsubprocess
import os
import resource
import signal
import sys
from pathlib import Path

if sys.platform == "linux":
    from kernel import build  # a neighbour: this runs as a script, outside the package

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
    "os.setxattr",
    "os.removexattr",
    "os.symlink",
    "os.truncate",
    "os.utime",
    "shutil.",
)
_WITHOUT_EVENTS = ((os, ("mkfifo", "mknod", "pidfd_open")), (signal, ("pidfd_send_signal",)))
_WRITE_BY_THEMSELVES = ("_sqlite3", "_dbm", "_gdbm", "_posixshmem", "_ssl")  # these modules open files in C
_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC


def confine(seconds: int, memory: int, use_kernel: bool) -> list[str]:
    """Put this process behind all the walls there are; the names of the kernel's that stand."""
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds))
    resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 20, 1 << 20))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    in_force: list[str] = []
    if sys.platform == "linux":  # elsewhere address space is no measure of memory
        resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
        if use_kernel:
            in_force = build(str(Path.cwd()))
    _refuse_in_python(keeps_files=bool(in_force))
    return in_force


def _refuse_in_python(keeps_files: bool) -> None:
    """Refuse what Python tells its audit hooks; `keeps_files`: the kernel sees to what it does not tell."""
    _posixsubprocess.fork_exec = _refused
    if not keeps_files:
        for module, names in _WITHOUT_EVENTS:
            for name in names:
                for place in (module, sys.modules.get({"os": "posix", "signal": "_signal"}[module.__name__])):
                    if hasattr(place, name):
                        setattr(place, name, _refused)
    home = os.path.realpath(os.curdir)
    sys.addaudithook(lambda event, arguments: _refuse(event, arguments, home, keeps_files))


def _refuse(event: str, arguments: tuple[object, ...], home: str, keeps_files: bool) -> None:
    if event == "import":
        if arguments[0] == _posixsubprocess.__name__:
            raise PermissionError(event)
        if not keeps_files and arguments[0] in _WRITE_BY_THEMSELVES:
            raise ImportError(f"{arguments[0]} is not to be had here")
        return
    changes = event.startswith(_CHANGES) or (event == "open" and _is_change(arguments, keeps_files))
    if event.startswith(_FORBIDDEN) or (changes and any(_is_outside(path, home) for path in arguments[:2])):
        raise PermissionError(event)


def _refused(*_: object) -> int:
    raise PermissionError("not in here")


def _is_change(arguments: tuple[object, ...], keeps_files: bool) -> bool:
    """Whether a file is opened to be written; a folder or a process's memory is as good as that to os.open."""
    path, _, flags = arguments
    if isinstance(flags, int) and flags & _WRITING:
        return True
    if keeps_files or not isinstance(path, str | bytes | os.PathLike):
        return False
    name = os.fsdecode(path)
    return Path(name).is_dir() or name.startswith("/proc")


def _is_outside(path: object, home: str) -> bool:
    if not isinstance(path, str | bytes | os.PathLike):
        return False  # a mode, or a file that is open already
    real = os.path.realpath(os.fsdecode(path))
    return real != os.devnull and os.path.commonpath([real, home]) != home
