"""Reading numbers and strings one after the other out of a file that is not trusted."""

from __future__ import annotations

import mmap
import struct
from pathlib import Path

from confspec_cli.errors import EngineError

DAMAGED_HINT = "confspec models verify   # or pull it again"


class ByteReader:
    """Reads on in a file that may end, or lie, at any byte."""

    def __init__(self, data: mmap.mmap, path: Path) -> None:
        self._data = data
        self.path = path
        self.at = 0
        self.end = len(data)

    @property
    def left(self) -> int:
        """Bytes from here to the end."""
        return self.end - self.at

    def damaged(self, why: str) -> EngineError:
        """The error for a file that cannot be what it says."""
        return EngineError(f"{self.path} is damaged: {why}.", DAMAGED_HINT)

    def take(self, count: int) -> bytes:
        """So many bytes."""
        if count > self.left:
            raise self.damaged("it ends in the middle of its header")
        self.at += count
        return self._data[self.at - count : self.at]

    def number(self, letter: str) -> int | float | bool:
        """One number, as struct spells it."""
        value: int | float | bool = struct.unpack("<" + letter, self.take(struct.calcsize("<" + letter)))[0]
        return value

    def count(self, least: int) -> int:
        """A count of things that take at least so many bytes each."""
        count = int(self.number("Q"))
        if count * least > self.left:
            raise self.damaged(f"it claims {count} entries, more than fit in it")
        return count

    def text(self, longest: int = 1 << 30) -> str:
        """A string with its length before it."""
        length = self.count(1)
        if length > longest:
            raise self.damaged(f"a name in it has {length} bytes")
        return self.take(length).decode("utf-8", "replace")

    def texts(self, count: int) -> list[bytes]:
        """So many strings, as they lie there: vocabularies are long."""
        data, at, last, length_at = self._data, self.at, self.end - 8, struct.Struct("<Q").unpack_from
        found = []
        for _ in range(count):
            if at > last:
                raise self.damaged("it ends in the middle of its header")
            start = at + 8
            at = start + length_at(data, at)[0]
            found.append(data[start:at])
        self.at = at
        if at > self.end:
            raise self.damaged("it ends in the middle of its header")
        return found
