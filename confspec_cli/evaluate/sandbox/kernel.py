"""The kernel's walls on Linux, by its own calls: namespaces, Landlock and seccomp. Each is tried; none is required.

Standard library only, and nothing of ours.
"""

from __future__ import annotations

import ctypes
import os
import platform
import struct
import sys
from pathlib import Path

_LIBC = ctypes.CDLL(None, use_errno=True)
_SYS_MOUNT_SETATTR = 442
_SYS_LANDLOCK = (444, 445, 446)  # create a ruleset, add a rule, restrict this process
_NEW_MOUNTS, _NEW_USER = 0x00020000, 0x10000000  # linux/sched.h
_NEW_REST = 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # UTS, IPC, PID and network
_THREAD = 0x00010000
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_READ_ONLY, _PRIVATE, _NO_DEVICES = 1, 0x4000 | 1 << 18, 2 | 4
_SET_DEATH_SIGNAL, _NO_NEW_PRIVILEGES, _SET_SECCOMP = 1, 38, 22
_NOBODY = 65534


def build(home: str) -> list[str]:
    """Build the walls, with `home` the only folder to write to; the names of those that stand."""
    isolated = _isolate(home)
    _LIBC.prctl(_NO_NEW_PRIVILEGES, 1, 0, 0, 0)
    walls = {"namespaces": isolated, "Landlock": _landlock(home), "seccomp": _seccomp(keeps_metadata=not isolated)}
    return [name for name, stands in walls.items() if stands]


def _isolate(home: str) -> bool:
    """Go on as the first process of new namespaces, where all is read-only but `home`, which is new and empty."""
    user, group = os.getuid(), os.getgid()
    if _LIBC.unshare(_NEW_USER | _NEW_MOUNTS):
        return False
    try:
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{_NOBODY} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{_NOBODY} {group} 1")
    except OSError:  # as where AppArmor gives such a namespace no powers
        return False
    read_only = struct.pack("QQQQ", _READ_ONLY, 0, 0, 0)
    failed = (
        _LIBC.mount(None, b"/", None, _PRIVATE, None)
        or _LIBC.syscall(_SYS_MOUNT_SETATTR, _AT_FDCWD, b"/", _AT_RECURSIVE, read_only, len(read_only))
        or _LIBC.mount(b"none", home.encode(), b"tmpfs", _NO_DEVICES, b"size=16m,mode=700")
        or _LIBC.mount(b"none", b"/proc", b"tmpfs", _NO_DEVICES | _READ_ONLY, None)
        or _LIBC.unshare(_NEW_REST)
    )
    if failed:
        return False
    os.chdir(home)  # into what is mounted there now
    child = os.fork()
    if child:
        os._exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) and 1)
    _LIBC.prctl(_SET_DEATH_SIGNAL, 9, 0, 0, 0)
    nothing = ctypes.create_string_buffer(24)
    return not _LIBC.capset(struct.pack("Ii", 0x20080522, 0), nothing)


# Landlock: what may be done beneath a folder, as bits of linux/landlock.h.
_READ, _WRITE_FILE, _FOLDER_READ = 1 << 2, 1 << 1, 1 << 3
_EXECUTE, _TRUNCATE = 1, 1 << 14
_RIGHTS_BY_VERSION = {1: (1 << 13) - 1, 2: (1 << 14) - 1, 3: (1 << 15) - 1, 5: (1 << 16) - 1}
_READABLE = ("/usr", "/lib", "/lib64", "/bin", "/nix/store", "/etc/ld.so.cache", "/etc/localtime")
_DEVICES = ("/dev/null", "/dev/zero", "/dev/urandom", "/dev/random")


def _landlock(home: str) -> bool:
    """Leave only Python's own files to read and `home` to write to, no TCP, and no process outside to signal."""
    create, _, restrict = _SYS_LANDLOCK
    version = _LIBC.syscall(create, None, 0, 1)
    if version < 1:
        return False
    rights = max(bits for known, bits in _RIGHTS_BY_VERSION.items() if known <= version)
    handled = struct.pack("QQQ", rights, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8  # an older kernel takes no more than it knows
    rules = _LIBC.syscall(create, handled, size, 0)
    if rules < 0:
        return False
    readable = {sys.prefix, sys.base_prefix, sys.exec_prefix, *sys.path, *_READABLE}
    allowed = dict.fromkeys(readable - {""}, _READ | _FOLDER_READ | _EXECUTE)
    allowed |= dict.fromkeys(_DEVICES, _READ | (_WRITE_FILE | _TRUNCATE))
    stands = all(_allow(rules, path, bits & rights) for path, bits in {**allowed, home: rights}.items())
    return stands and not _LIBC.syscall(restrict, rules, 0)


def _allow(rules: int, path: str, bits: int) -> bool:
    try:
        beneath = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return True  # there is nothing to allow
    if not Path(path).is_dir():
        bits &= _READ | _WRITE_FILE | _EXECUTE | _TRUNCATE
    failed = _LIBC.syscall(_SYS_LANDLOCK[1], rules, 1, struct.pack("=Qi", bits, beneath), 0)
    os.close(beneath)
    return not failed


# seccomp: calls refused, by machine: (AUDIT_ARCH, clone, clone3, those refused, those that change metadata).
_NEWER = [424, 425, 428, 429, 430, 434, 438, 442]  # pidfds, io_uring, mounts: the same everywhere
_MACHINES: dict[str, tuple[int, int, int, list[int], list[int]]] = {
    "x86_64": (
        0xC000003E,
        56,
        435,
        [
            *(41, 42, 49),  # socket, connect, bind
            *(57, 58, 59, 322),  # fork, vfork, execve, execveat
            *(62, 129, 200, 234, 297),  # kill, tkill, tgkill and the queued ones
            *(101, 310, 311, 298, 321, 323),  # ptrace, process_vm_*, perf, bpf, userfaultfd
            *(29, 64, 68, 240),  # shared memory, semaphores, message queues
            *(155, 165, 166, 272, 308),  # pivot_root, mount, umount, unshare, setns
            *(248, 249, 250),  # keys
            *_NEWER,
        ],
        [90, 91, 92, 93, 94, 132, 188, 189, 190, 197, 198, 199, 235, 260, 261, 268, 280, 452],
    ),
    "aarch64": (
        0xC00000B7,
        220,
        435,
        [
            *(198, 203, 200),
            *(221, 281),
            *(129, 138, 130, 131, 240),
            *(117, 270, 271, 241, 280, 282),
            *(194, 190, 186, 180),
            *(41, 40, 39, 97, 268),
            *(217, 218, 219),
            *_NEWER,
        ],
        [5, 6, 7, 14, 15, 16, 52, 53, 54, 55, 88, 452],
    ),
}
_LOAD, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/bpf_common.h
_ALLOW, _KILL, _FAIL = 0x7FFF0000, 0x80000000, 0x00050000
_NOT_PERMITTED, _NO_SUCH_CALL = _FAIL | 1, _FAIL | 38


def _seccomp(keeps_metadata: bool) -> bool:
    """Refuse new processes, sockets, signals and the like; `keeps_metadata`: owners, modes and times of files too."""
    machine = _MACHINES.get(platform.machine())
    if machine is None or sys.maxsize < 1 << 32:
        return False
    architecture, clone, clone3, refused, metadata = machine
    program = [
        (_LOAD, 0, 0, 4),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, 0),
        (_AT_LEAST, 0, 1, 0x40000000),  # the x32 calls of x86_64
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_EQUAL, 0, 1, clone3),
        (_RETURN, 0, 0, _NO_SUCH_CALL),  # its flags are out of reach here, so that clone is taken instead
        (_EQUAL, 0, 4, clone),
        (_LOAD, 0, 0, 16),
        (_ANY_BIT, 1, 0, _THREAD),
        (_RETURN, 0, 0, _NOT_PERMITTED),
        (_RETURN, 0, 0, _ALLOW),
    ]
    for call in refused + (metadata if keeps_metadata else []):
        program += [(_EQUAL, 0, 1, call), (_RETURN, 0, 0, _NOT_PERMITTED)]
    program.append((_RETURN, 0, 0, _ALLOW))
    code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
    header = struct.pack("HxxxxxxP", len(program), ctypes.addressof(code))
    return not _LIBC.prctl(_SET_SECCOMP, 2, header, 0, 0)
