"""Which files were hashed, and what came out: gigabytes are read once, not at every pull.

A hash holds for a file as it was: another size, time or inode, and it is computed anew. Whoever may write to the model
folder can lie about all of it; `confspec models verify` asks the bytes themselves.
"""

from __future__ import annotations

import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from confspec_cli.errors import StorageError, UsageError
from confspec_cli.files import read_text, write_atomically
from confspec_cli.models.sources import ModelFile, PullProgress, compare, pin

_NAME = ".checked.json"


class Checked:
    """The hashes of files, kept in a folder; of other people's making they are not believed."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / _NAME

    def sha256(self, path: Path) -> str:
        """The hash of a file, if it was computed from the bytes that are there now; else empty."""
        known = self._known().get(str(path.resolve()))
        return str(known[-1]) if known and known[:-1] == _state(path) else ""

    def verify(self, path: Path, file: ModelFile, progress: PullProgress) -> None:
        """Hold a file against its pin, reading it if need be; raises StorageError."""
        if not file.sha256 or self.sha256(path) == file.sha256:
            return
        progress.started(file.name, "checking", file.bytes)
        size, sha256 = self.computed(path, progress.advanced)
        compare(file, size, sha256, str(path))

    def computed(self, path: Path, advanced: Callable[[int], None]) -> tuple[int, str]:
        """The size and the hash of a file, read now whatever is known; raises StorageError."""
        before = _state(path)
        size, sha256 = pin(path, advanced)
        if _state(path) == before:
            self.remember(path, sha256)
        return size, sha256

    def remember(self, path: Path, sha256: str) -> None:
        """Keep the hash of a file as it is now, if the folder can be written to; those of files that are gone go."""
        known = {place: state for place, state in self._known().items() if Path(place).exists()}
        known[str(path.resolve())] = [*_state(path), sha256]
        with suppress(StorageError, OSError):
            self._file.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(self._file, json.dumps(known, indent=1) + "\n", mode=0o600)

    def _known(self) -> dict[str, list[int | str]]:
        with suppress(OSError, UsageError, ValueError, RecursionError):
            told = self._file.lstat()
            if stat.S_ISREG(told.st_mode) and told.st_uid == os.getuid() and not told.st_mode & 0o022:
                known = json.loads(read_text(self._file))
                if isinstance(known, dict):
                    return {place: state for place, state in known.items() if isinstance(state, list)}
        return {}


def _state(path: Path) -> list[int | str]:
    """What changes when the bytes of a file do."""
    try:
        told = path.stat()
    except OSError:
        return []
    return [told.st_size, told.st_mtime_ns, told.st_ctime_ns, told.st_ino]
