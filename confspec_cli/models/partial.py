"""The beginning of a file on its way here: it outlives whatever stops the pull, and one process at a time adds to it.

Knows bytes, locks and disks; refuses to know where the bytes come from.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shlex
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from confspec_cli.errors import StorageError
from confspec_cli.models.sources import ModelFile, PullProgress, storage_error, verify

_SPARE = 64 << 20
"""Bytes that must be left free on a disk."""


class Part:
    """The open part of a file: `stream` stands at its end. `marks` are the sizes it had when something was complete."""

    def __init__(self, path: Path, file: ModelFile, stream: BinaryIO) -> None:
        self.path = path
        self.stream = stream
        self._file = file
        self._marks = companions(path)[0]

    @property
    def size(self) -> int:
        """Bytes that are here."""
        return self.stream.seek(0, os.SEEK_END)

    def marks(self) -> list[int]:
        """The marks so far; what was written after the last is dropped, as nobody knows how much of it is whole."""
        with contextlib.suppress(FileNotFoundError):
            with os.fdopen(_open(self._marks, os.O_RDONLY), encoding="ascii", errors="replace") as stream:
                lines = stream.read().split("\n")[:-1]
            size = self.size
            marks = [int(line) for line in lines if line.isdigit() and int(line) <= size]
            self.stream.truncate(marks[-1] if marks else 0)
            return marks
        self.stream.truncate(0)
        return []

    def mark(self) -> None:
        """What is here so far is complete in itself, and on the disk."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        with os.fdopen(_open(self._marks, os.O_WRONLY | os.O_APPEND | os.O_CREAT), "a", encoding="ascii") as marks:
            marks.write(f"{self.size}\n")

    def arrive(self, place: Path, progress: PullProgress, origin: str) -> Path:
        """Put the whole file at `place`. Raises StorageError, and drops it, where it is not as pinned."""
        self.stream.flush()
        os.fsync(self.stream.fileno())
        progress.started(self._file.name, "checking", self._file.bytes)
        try:
            verify(self.path, self._file, progress.advanced, origin)
        except StorageError:
            self.drop()
            raise
        self.path.replace(place)
        self._marks.unlink(missing_ok=True)
        return place

    def drop(self) -> None:
        """Begin anew the next time."""
        self.path.unlink(missing_ok=True)
        self._marks.unlink(missing_ok=True)


def part_of(folder: Path, file: ModelFile) -> Path:
    """Where the part of a file is kept in a folder."""
    return folder / f".{file.name}.{file.sha256[:8]}.part"


def companions(part: Path) -> tuple[Path, Path]:
    """What may lie beside a part: its marks, and the folder of a wheel on its way."""
    return part.with_name(part.name + ".marks"), part.with_suffix(".wheel")


def begun(folder: Path, file: ModelFile) -> int:
    """Bytes of a file that an earlier pull left in a folder."""
    try:
        return part_of(folder, file).stat().st_size
    except OSError:
        return 0


@contextmanager
def adding(
    folder: Path, file: ModelFile, progress: PullProgress, variable: str = "CONFSPEC_MODELS", besides: int = 0
) -> Iterator[Part]:
    """The part of a file, to be added to; another pull of the same file is waited for. `variable` moves the folder.

    `besides` are bytes that are needed there for a while.

    Raises StorageError where the folder cannot be written to, or its disk has not the room: before the first byte.
    """
    path = part_of(folder, file)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        stream = _locked(path, progress)
    except OSError as error:
        raise storage_error(error, folder, variable) from error
    try:
        part = Part(path, file, stream)
        room(folder, file.bytes - part.size + besides, variable)
        yield part
    except OSError as error:
        if not error.errno or isinstance(error, ConnectionError | TimeoutError):
            raise  # no fault of the disk
        raise storage_error(error, folder, variable) from error
    finally:
        with contextlib.suppress(OSError):
            stream.flush()
            if not os.fstat(stream.fileno()).st_size:
                path.unlink(missing_ok=True)
            stream.close()


def room(folder: Path, needed: int, variable: str) -> None:
    """Raises StorageError where so many more bytes do not fit on the disk of a folder."""
    place = accepted_prefix(folder)
    free = shutil.disk_usage(place).free
    if needed > 0 and needed + _SPARE > free:
        message = f"{_gigabytes(needed)} more needed, but only {_gigabytes(free)} free on the disk of {place}"
        raise StorageError(f"{message}; nothing was written.", f"export {variable}=/a/folder/on/another/disk")


def accepted_prefix(folder: Path) -> Path:
    """The nearest folder above one to be made that is there."""
    return next(place for place in (folder, *folder.parents) if place.exists())


def _locked(path: Path, progress: PullProgress) -> BinaryIO:
    """The file at a path, which no other process has open like this."""
    is_told = False
    while True:
        stream = os.fdopen(_open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT), "a+b")
        try:
            fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if not is_told:
                progress.warned(f"another confspec is downloading {path.name.split('.', 1)[1][:-14]}; waiting for it.")
                is_told = True
            fcntl.flock(stream, fcntl.LOCK_EX)
        with contextlib.suppress(FileNotFoundError):
            if path.stat().st_ino == os.fstat(stream.fileno()).st_ino:
                return stream
        stream.close()  # it has arrived, or was dropped, in the meantime


def _open(path: Path, flags: int) -> int:
    """Open a file of ours in a folder that others may write to; raises StorageError for what they put in its place."""
    try:
        descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK, 0o666)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENXIO):
            raise _planted(path) from None
        raise
    told = os.fstat(descriptor)
    if not stat.S_ISREG(told.st_mode) or told.st_nlink > 1:
        os.close(descriptor)
        raise _planted(path)
    return descriptor


def _planted(path: Path) -> StorageError:
    return StorageError(f"{path} is a link or a device, not a file of confspec's.", f"rm {shlex.quote(str(path))}")


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
