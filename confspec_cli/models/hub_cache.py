"""The Hugging Face cache as it lies on the disk: what of a repository is there. Loads nothing that could download."""

from __future__ import annotations

from contextlib import suppress
from glob import escape
from pathlib import Path

from huggingface_hub import constants

from confspec_cli.models import gguf
from confspec_cli.models.sources import HubSource, ModelFile, is_complete


def repository_folder(repository: str) -> Path:
    """Where a repository's blobs, refs and snapshots lie, or would."""
    return Path(constants.HF_HUB_CACHE) / f"models--{repository.replace('/', '--')}"


def snapshot_folder(repository: str, revision: str) -> Path:
    """Where the files of a revision lie, or would: a branch or tag stands for the commit it was last seen at."""
    folder = repository_folder(repository)
    with suppress(OSError):  # then it is a commit
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


def leftovers() -> list[Path]:
    """What interrupted pulls left."""
    return list(Path(constants.HF_HUB_CACHE).glob("models--*/blobs/.*.part"))
