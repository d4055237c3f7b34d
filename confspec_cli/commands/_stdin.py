"""Read standard input: wait for it even if it is non-blocking, and never read without limit."""

from __future__ import annotations

import io
import os
import select
import stat
import sys
from typing import Any, BinaryIO, TextIO

from confspec_cli.errors import UsageError
from confspec_cli.files import MAX_TEXT_BYTES, decode


def piped_text(name: str, command: str) -> str:
    """All of standard input as text; empty if it is closed. `name` and `command` are for error messages.

    Raises UsageError where it is longer than a file may be, or is not UTF-8.
    """
    if sys.stdin is None:
        return ""
    raw = _stream().read(MAX_TEXT_BYTES + 1)
    if len(raw) > MAX_TEXT_BYTES:
        raise UsageError(f"{name} is longer than {MAX_TEXT_BYTES >> 20} MiB.", f"head -c 1M FILE | {command}")
    return decode(raw, name, source="FILE", then=f" | {command}")


def piped_lines() -> TextIO:
    """Standard input as a text stream, read as it arrives."""
    return io.TextIOWrapper(_stream(), encoding="utf-8-sig")


def is_shared() -> bool:
    """Whether it is a file that another program has begun to read, such as a `while read` loop."""
    try:
        number = sys.stdin.fileno()
        return stat.S_ISREG(os.fstat(number).st_mode) and os.lseek(number, 0, os.SEEK_CUR) > 0
    except (OSError, AttributeError):
        return False


class _Waiting(io.RawIOBase):
    """A raw stream that waits for data even if the file descriptor is non-blocking."""

    def __init__(self, number: int) -> None:
        self._number = number

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while True:
            try:
                return os.readv(self._number, [buffer])
            except BlockingIOError:
                select.select([self._number], [], [])


def _stream() -> BinaryIO:
    try:
        return io.BufferedReader(_Waiting(sys.stdin.fileno()))
    except (OSError, AttributeError):  # a stream without a descriptor, as a test has it
        return sys.stdin.buffer
