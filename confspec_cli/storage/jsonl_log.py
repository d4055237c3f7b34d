"""A file of JSON lines that only ever grows: what was appended is whole on the disk, whatever dies next.

Knows lines and one writer at a time; refuses to know what the records mean. A file that is not ours is never changed:
all that is ever taken away is the torn end of a record of ours.
"""

from __future__ import annotations

import contextlib
import fcntl
import io
import json
import os
from pathlib import Path
from typing import Any, NamedTuple

from confspec_cli.errors import StorageError

# How the records begin that confspec keeps in such files: events, answers of a batch, results and labels.
_BEGINNINGS = (b'{"event": ', b'{"id": ', b'{"schema_version": ', b'{"record": ')


def parsed(line: str | bytes) -> Any:
    """The value a line of JSON holds. Raises ValueError, for one that is nested too deep as well."""
    try:
        return json.loads(line)
    except RecursionError:
        raise ValueError("nested too deep") from None


class _Written(NamedTuple):
    size: int = 0
    records: int = 0


class JsonlLog:
    """JSON lines at `path`, created with `mode` when the first is appended; the folder must exist by then.

    A last record that was cut off when a writer died is not read, and goes when the next one is appended.
    """

    def __init__(self, path: Path, mode: int = 0o666) -> None:
        self.path = path
        self._mode = mode
        self._file: io.FileIO | None = None
        self._read = 0  # bytes
        self._written = _Written()  # one value, so that an interrupt cannot come between its parts
        self._is_torn = False  # whether more than that may be in the file
        self.is_foreign = False
        """Whether the file holds text, and no record of ours; known once `lines` was called."""

    @property
    def appended(self) -> int:
        """How many records were appended here, and are on the disk."""
        return self._written.records

    @property
    def is_open(self) -> bool:
        """Whether others are kept from writing."""
        return self._file is not None

    def lines(self) -> list[str]:
        """The whole lines so far; none where there is no file. Raises StorageError."""
        try:
            if self.path.exists() and not self.path.is_file():  # a pipe or a device may have no end
                raise StorageError(f"{self.path} is not a regular file.")
            raw = self.path.read_bytes()
        except FileNotFoundError:
            raw = b""
        except OSError as problem:
            raise StorageError(f"{self.path} cannot be read: {problem.strerror}.") from problem
        lines = raw.split(b"\n")
        tail = lines.pop()
        if tail and not _is_torn_record(tail, lines):
            lines.append(tail)
            tail = b""
        self._read, self._written = len(raw), _Written(len(raw) - len(tail))
        self.is_foreign = bool(raw.strip()) and not any(line.startswith(_BEGINNINGS) for line in raw.split(b"\n"))
        return [line.decode(errors="replace") for line in lines]

    def open(self) -> None:
        """Become the one writer.

        Raises StorageError where another process is, or has written since `lines`, and where the file is not ours.
        """
        if self._file is not None:
            return
        if self.is_foreign:
            raise StorageError(f"{self.path} holds no records of confspec, so nothing was added.")
        try:
            file = io.FileIO(self.path, "a+", opener=lambda path, flags: os.open(path, flags, self._mode))
        except OSError as problem:
            raise StorageError(f"{self.path} cannot be written: {problem.strerror}.") from problem
        try:
            self._take(file)
        except OSError as problem:
            file.close()
            raise StorageError(f"{self.path} cannot be written: {problem.strerror}.") from problem
        except BaseException:
            file.close()
            raise
        self._file = file

    def append(self, record: dict[str, Any], sync: bool = True) -> None:
        """Add a line. It survives the process once this returns and, with `sync`, the machine too.

        Raises StorageError, and then keeps the lines before this one whole. One that was interrupted counts only if
        `appended` counts it; else whatever is there of it gives way to the next.
        """
        self.open()
        assert self._file is not None
        line = (json.dumps(record) + "\n").encode()
        size, records = self._written
        try:
            if self._is_torn:
                self._file.truncate(size)
            self._is_torn = True
            written = 0
            while written < len(line):
                written += self._file.write(line[written:])
            if sync:
                os.fsync(self._file.fileno())
        except OSError as problem:
            with contextlib.suppress(OSError):
                self._file.truncate(size)
            raise StorageError(f"{self.path} cannot be written: {problem.strerror}.") from problem
        self._written = _Written(size + len(line), records + 1)
        self._is_torn = False

    def close(self) -> None:
        """Let others write; calling it twice is fine."""
        if self._file is not None:
            self._read = os.fstat(self._file.fileno()).st_size
            self._file.close()
            self._file = None

    def _take(self, file: io.FileIO) -> None:
        """Lock the file and take away what is not a whole line."""
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StorageError(f"{self.path} is in use by another confspec.") from None
        except OSError:
            pass  # a file system without locks
        if os.fstat(file.fileno()).st_size != self._read:
            raise StorageError(f"{self.path} was changed by another program.")
        size, records = self._written
        if self._read != size:
            file.truncate(size)
        if size and os.pread(file.fileno(), 1, size - 1) != b"\n":
            self._written = _Written(size + file.write(b"\n"), records)


def _is_torn_record(tail: bytes, before: list[bytes]) -> bool:
    """Whether what follows the last newline is a record of ours that was cut off, or a block never written."""
    try:
        parsed(tail)
    except ValueError:
        follows_ours = bool(before) and before[-1].startswith(_BEGINNINGS)
        return tail.startswith(_BEGINNINGS) or (
            follows_ours and (not tail.strip(b"\0") or any(one.startswith(tail) for one in _BEGINNINGS))
        )
    return False
