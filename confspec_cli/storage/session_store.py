"""The folder of saved sessions: found by name or id, listed, named and removed."""

from __future__ import annotations

import contextlib
import fcntl
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timezone
from pathlib import Path

from confspec_cli.core.events import SessionNamed
from confspec_cli.errors import StorageError, UsageError
from confspec_cli.files import make_private_folder
from confspec_cli.storage.session import SavedSession

_ID = re.compile(r"\d{8}-\d{6}-\d{6}", re.ASCII)
_NAME = re.compile(r"\w[\w.-]{0,63}")


class SessionStore:
    """The sessions in a folder, which need not be there yet. Every method may raise StorageError.

    `warnings` says which files could not be read when the folder was last gone through.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.warnings: list[str] = []

    def new(self, name: str | None = None) -> SavedSession:
        """A session that nothing was said in yet. Raises UsageError for a name that is taken or cannot be one."""
        if name is not None:
            self._check(name)
        session = SavedSession(self.folder / f"{datetime.now(timezone.utc):%Y%m%d-%H%M%S-%f}.jsonl")
        if name is not None:
            session.record(SessionNamed(name))
            session.warnings += self.warnings
        return session

    def claim(self, session: SavedSession) -> None:
        """Keep a session, and a name that is new, from other processes until it is closed.

        Raises StorageError where another process has either.
        """
        with self._alone():
            if session.name and not session.path.exists() and self.find(session.name):
                raise StorageError(
                    f'Another confspec has just started the session "{session.name}".',
                    "confspec sessions   # or choose another name",
                )
            session.lock()

    def find(self, name: str) -> SavedSession | None:
        """The session of that name or id, if there is one."""
        if _ID.fullmatch(name):
            path = self.folder / f"{name}.jsonl"
            return SavedSession(path) if path in self._paths() else None
        mark = SessionNamed.__name__.encode()
        return next((session for session in self._read(reversed(self._paths()), mark) if session.name == name), None)

    def open(self, name: str) -> SavedSession:
        """The session of that name or id. Raises UsageError when there is none."""
        session = self.find(name)
        if session is None:
            raise UsageError(f'No session named "{name}".', "confspec sessions")
        return session

    def latest(self) -> SavedSession | None:
        """The session that was last recorded in, if there is any."""
        return next(self._read(self._by_use()), None)

    def list(self) -> Sequence[SavedSession]:
        """All sessions that can be read, the one last recorded in first."""
        return list(self._read(self._by_use()))

    def rename(self, session: SavedSession, name: str) -> None:
        """Give a session another name. Raises UsageError for one that is taken or cannot be a name."""
        if name != session.name:
            with self._alone():
                self._check(name)
                session.record(SessionNamed(name))

    def remove(self, session: SavedSession) -> None:
        """Delete the file of a session, for good."""
        session.lock()
        try:
            session.path.unlink()
        except OSError as problem:
            raise StorageError(f"{session.path} cannot be deleted: {problem.strerror}.") from problem
        finally:
            session.close()

    def _by_use(self) -> Sequence[Path]:
        return sorted(self._paths(), key=lambda path: (_used(path), path.name), reverse=True)

    def _paths(self) -> Sequence[Path]:
        try:
            return sorted(path for path in self.folder.iterdir() if path.suffix == ".jsonl" and _is_id(path.stem))
        except FileNotFoundError:
            return []
        except OSError as problem:
            raise StorageError(f"{self.folder} cannot be read: {problem.strerror}.") from problem

    def _read(self, paths: Iterable[Path], mark: bytes = b"") -> Iterator[SavedSession]:
        """The sessions in these files that can be read, where the file holds the mark."""
        self.warnings = []
        for path in paths:
            if not path.is_file():  # a folder, a link that leads nowhere, a pipe that would be waited for
                self.warnings.append(f"{path.name} was skipped: it is not a file.")
                continue
            try:
                session = SavedSession(path) if mark in path.read_bytes() else None
            except OSError as problem:
                self.warnings.append(f"{path.name} was skipped: {problem.strerror}.")
            except StorageError as problem:
                self.warnings.append(f"{path.name} was skipped: {problem}")
            else:
                if session and session.is_foreign:
                    self.warnings.append(f"{path.name} was skipped: it is no session.")
                elif session:
                    yield session

    def _check(self, name: str) -> None:
        if not _NAME.fullmatch(name) or _ID.fullmatch(name):
            raise UsageError(
                f'"{name}" cannot be the name of a session: use up to 64 letters, digits, dots, dashes and underscores.'
            )
        if self.find(name) is not None:
            raise UsageError(f'A session named "{name}" already exists.', f"confspec sessions show {name}")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """While this holds, no other process gives or takes a name here."""
        try:
            make_private_folder(self.folder)
            lock = os.open(self.folder, os.O_RDONLY)
        except OSError as problem:
            raise StorageError(f"{self.folder} cannot be opened: {problem.strerror}.") from problem
        try:
            with contextlib.suppress(OSError):  # a file system without locks
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield
        finally:
            os.close(lock)


def _is_id(stem: str) -> bool:
    try:
        datetime.strptime(stem, "%Y%m%d-%H%M%S-%f")
    except ValueError:
        return False
    return _ID.fullmatch(stem) is not None


def _used(path: Path) -> float:
    """When a file was last written to; 0 for one that is not there."""
    try:
        return path.stat().st_mtime
    except OSError:
        return 0.0
