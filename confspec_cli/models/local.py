"""A model file that is already somewhere on this machine, used in place."""

from __future__ import annotations

from pathlib import Path

from confspec_cli.errors import DownloadError
from confspec_cli.models.sources import ModelFile, PathSource, Watch, is_complete, verify


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

    def fetch(self, file: ModelFile, watch: Watch) -> Path:
        """Hold the file against its pin, if it has one."""
        if not self._path.is_file():
            raise DownloadError(f"{self._path} is not there.")
        if file.sha256:
            watch.started(file.name, "checking", file.bytes)
            verify(self._path, file, watch.advanced)
        return self._path
