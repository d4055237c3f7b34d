"""A file of JSON lines that only ever grows: what was appended is whole on the disk, whatever dies next.

Knows lines and one writer at a time; refuses to know what the records mean.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from pathlib import Path
from typing import Any

from confspec_cli.errors import StorageError


class JsonlLog:
    """JSON lines at `path`, created with `mode` when the first is appended; the folder must exist by then.

    A last line that was cut off when a writer died is not read, and goes when the next line is appended.
    """

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self.path = path
        self._mode = mode
        self._file: int | None = None
        self._read = 0  # bytes
        self._whole = 0  # bytes of them that are whole lines

    def lines(self) -> list[str]:
        """The whole lines so far; none where there is no file. Raises StorageError."""
        try:
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raw = b""
        except OSError as problem:
            raise StorageError(f"{self.path} cannot be read: {problem.strerror}.") from problem
        lines = raw.split(b"\n")
        tail = lines.pop()
        if tail and _is_whole(tail):
            lines.append(tail)
            tail = b""
        self._read, self._whole = len(raw), len(raw) - len(tail)
        return [line.decode(errors="replace") for line in lines]

    def open(self) -> None:
        """Become the one writer. Raises StorageError where another process is, or has written since `lines`."""
        if self._file is not None:
            return
        try:
            file = os.open(self.path, os.O_RDWR | os.O_APPEND | os.O_CREAT, self._mode)
        except OSError as problem:
            raise StorageError(f"{self.path} cannot be written: {problem.strerror}.") from problem
        try:
            self._take(file)
        except StorageError:
            os.close(file)
            raise
        except OSError as problem:
            os.close(file)
            raise StorageError(f"{self.path} cannot be written: {problem.strerror}.") from problem
        self._file = file

    def append(self, record: dict[str, Any], sync: bool = True) -> None:
        """Add a line. It survives the process once this returns and, with `sync`, the machine too.

        Raises StorageError, and then keeps the lines before this one whole.
        """
        self.open()
        assert self._file is not None
        line = (json.dumps(record) + "\n").encode()
        try:
            written = 0
            while written < len(line):
                written += os.write(self._file, line[written:])
            if sync:
                os.fsync(self._file)
        except OSError as problem:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._whole)
            raise StorageError(f"{self.path} cannot be written: {problem.strerror}.") from problem
        self._whole += len(line)

    def close(self) -> None:
        """Let others write; calling it twice is fine."""
        if self._file is not None:
            os.close(self._file)
            self._file = None
            self._read = self._whole

    def _take(self, file: int) -> None:
        """Lock the file and take away what is not a whole line."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"{self.path} is in use by another confspec.") from None
        except OSError:
            pass  # a file system without locks
        if os.fstat(file).st_size != self._read:
            raise StorageError(f"{self.path} was changed by another program.")
        os.ftruncate(file, self._whole)
        if self._whole and os.pread(file, 1, self._whole - 1) != b"\n":
            self._whole += os.write(file, b"\n")


def _is_whole(line: bytes) -> bool:
    """Whether a line without its newline lacks nothing else: a JSON object that was cut off is none."""
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False
