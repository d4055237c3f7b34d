"""Model files that come from this machine: one used in place, and one quantized here."""

from __future__ import annotations

import shlex
from pathlib import Path

from confspec_cli.errors import DownloadError
from confspec_cli.models.sources import ModelFile, PathSource, PullProgress, QuantizedSource, is_complete


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


class MadeHere:
    """A file in the store that `models quantize` made: it can be made again, and not be had anywhere."""

    def __init__(self, source: QuantizedSource) -> None:
        self._source = source

    @property
    def origin(self) -> str:
        """What it was made from."""
        return f"{self._source.quantized}, quantized to {self._source.type}"

    def locate(self, file: ModelFile) -> Path | None:  # noqa: ARG002 - the protocol's
        """None: it lies nowhere but in the store."""
        return None

    def place(self, file: ModelFile) -> tuple[Path, int] | None:  # noqa: ARG002 - the protocol's
        """None: nothing is copied."""
        return None

    def fetch(self, file: ModelFile, progress: PullProgress) -> Path:  # noqa: ARG002 - the protocol's
        """Raises DownloadError."""
        raise DownloadError(
            f"{file.name} was made on this machine and cannot be downloaded, but it can be made again.",
            f"confspec models quantize {shlex.quote(self._source.quantized)} {self._source.type} "
            f"--name {file.name.removesuffix('.gguf')}",
        )
