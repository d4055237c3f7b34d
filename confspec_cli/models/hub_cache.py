"""The Hugging Face cache as it lies on the disk: what of a repository is there. Loads nothing that could download.

Files lie in `blobs` by their hash, links to them in `snapshots` by commit and path, and commits in `refs` by branch.
"""

from __future__ import annotations

import os
from contextlib import suppress
from glob import escape
from pathlib import Path

from huggingface_hub import constants

from confspec_cli.errors import StorageError
from confspec_cli.files import write_atomically
from confspec_cli.models import gguf
from confspec_cli.models.sources import HubSource, ModelFile, is_complete


def repository_folder(repository: str, kind: str = "models") -> Path:
    """Where a repository's blobs, refs and snapshots lie, or would."""
    return Path(constants.HF_HUB_CACHE) / f"{kind}--{repository.replace('/', '--')}"


def snapshot_folder(repository: str, revision: str, kind: str = "models") -> Path:
    """Where the files of a revision lie, or would: a branch or tag stands for the commit it was last seen at."""
    folder = repository_folder(repository, kind)
    with suppress(OSError, UnicodeDecodeError):  # then it is a commit
        revision = (folder / "refs" / revision).read_text(encoding="ascii").strip()
    return folder / "snapshots" / revision


def locate(source: HubSource, file: ModelFile) -> Path | None:
    """Where a file lies: at the pinned revision, or the same bytes at another."""
    name = source.file or file.name
    pinned = snapshot_folder(source.hub, source.revision) / name
    if is_complete(pinned, file):
        return pinned
    if len(gguf.parts(Path(name))) > 1:
        return None  # all parts have to lie in one folder
    others = (repository_folder(source.hub) / "snapshots").glob(f"*/{escape(name)}")
    return next((path for path in others if path.resolve().name == file.sha256 and is_complete(path, file)), None)


def link(folder: Path, revision: str, commit: str, name: str, blob: Path) -> Path:
    """Give a blob its place in a snapshot, as huggingface_hub would; raises StorageError where another file has it."""
    place = folder / "snapshots" / commit / name
    place.parent.mkdir(parents=True, exist_ok=True)
    if revision != commit:
        branch = folder / "refs" / revision
        branch.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(branch, commit)
    if not os.path.lexists(place):
        try:
            place.symlink_to(os.path.relpath(blob, place.parent))
        except OSError:  # a file system without links
            return blob.replace(place)
    if not place.samefile(blob):
        raise StorageError(f"{place} is not the pinned file.", f"rm {place}")
    return place


def leftovers() -> list[Path]:
    """What interrupted pulls left."""
    return list(Path(constants.HF_HUB_CACHE).glob("models--*/blobs/.*.part"))
