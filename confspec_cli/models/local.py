"""A model file that is already somewhere on this machine, used in place."""

from __future__ import annotations

from pathlib import Path

from confspec_cli.errors import DownloadError
from confspec_cli.models.sources import ModelFile, PathSource, PullProgress, is_complete


class Local:
    """The file at a path; nothing is copied and nothing removed."""

    def __init__(self, source: PathSource) -> None:
        self._path = source.path

    @property
    def origin(self) -> str:
        """The path."""
        return str(self._path)

    def locate(self, file: ModelFile) -> Path | None:
        """The path, if a file of the right size is there."""
        return self._path if is_complete(self._path, file) else None

    def place(self, file: ModelFile) -> tuple[Path, int] | None:  # noqa: ARG002 - the protocol's
        """None: nothing is copied."""
        return None

    def fetch(self, file: ModelFile, progress: PullProgress) -> Path:  # noqa: ARG002 - the protocol's
        """Nothing can be fetched: what `locate` does not find is not there. Raises DownloadError."""
        if not self._path.is_file():
            raise DownloadError(f"No such file: {self._path}.")
        raise DownloadError(f"{self._path} has {self._path.stat().st_size} instead of {file.bytes} bytes.")
