"""Models by reference, not by name: `hf:owner/repo[:QUANT|/file.gguf][@revision]`, or the path of a file.

Knows how references are written and which of a repository's files are meant; refuses to know how they get here.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.errors import ModelMissing, UsageError
from confspec_cli.models import gguf
from confspec_cli.models.registry import Model
from confspec_cli.models.sources import HubSource, ModelFile, PathSource

USUAL_QUANT = "Q4_K_M"
_REFERENCE = re.compile(
    r"hf:(?P<hub>[^/:@\s]+/[^/:@\s]+)(:(?P<quant>[^/:@\s]+)|/(?P<file>[^:@\s]+\.gguf))?(@(?P<revision>[^@\s]+))?"
)
_SHARD = re.compile(r"(?P<stem>.+)-(?P<n>\d{5})-of-(?P<count>\d{5})\.gguf")
_QUANT = re.compile(r"(?:^|[-._/])((?:I?Q\d\w*|BF16|F16|F32|MXFP4\w*))(?=[-._]|$)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Listed:
    """A file of a repository: its path there, its size in bytes and its sha256."""

    path: str
    bytes: int
    sha256: str


def is_reference(text: str) -> bool:
    """Whether a text is a reference rather than a name."""
    return text.startswith("hf:") or text.endswith(".gguf") or "/" in text


def resolve(text: str) -> Model:
    """The model a reference means, its files pinned as they stand now. Asks the hub, and if that fails its cache.

    Raises UsageError for what is no reference, DownloadError where the hub cannot say, ModelMissing where it is not.
    """
    if not text.startswith("hf:"):
        paths = gguf.parts(Path(text).expanduser())
        if missing := next((path for path in paths if not path.is_file()), None):
            raise ModelMissing(f"There is no file {missing}.", "confspec models")
        files = tuple(ModelFile(path.name, (PathSource(path),)) for path in paths)
        return Model(paths[0].stem, files, quant=_quant(paths[0].name))
    parts = _REFERENCE.fullmatch(text)
    if parts is None:
        raise UsageError(f"{text} is no reference to a model.", "hf:owner/repo:Q4_K_M, or hf:owner/repo/file.gguf@main")
    from confspec_cli.models.hub import listing  # noqa: PLC0415 - keeps huggingface_hub out of every start

    commit, listed = listing(parts["hub"], parts["revision"] or "main")
    chosen = chosen_of(parts["hub"], listed, parts["quant"], parts["file"])
    quant = _quant(chosen[0].path)
    files = tuple(
        ModelFile(Path(one.path).name, (HubSource(parts["hub"], commit, one.path),), one.bytes, one.sha256)
        for one in chosen
    )
    return Model(f"{parts['hub']}:{quant}" if quant else parts["hub"], files, quant=quant)


def chosen_of(hub: str, listed: Sequence[Listed], quant: str | None, file: str | None) -> list[Listed]:
    """The files that are meant, all parts of a split one; of several quantisations the usual one, where none is named.

    Raises ModelMissing, with what there is.
    """
    models: dict[str, list[Listed]] = {}
    for one in sorted(listed, key=lambda one: one.path):
        if one.path.endswith(".gguf") and "mmproj" not in one.path:
            shard = _SHARD.fullmatch(one.path)
            models.setdefault(shard["stem"] if shard else one.path.removesuffix(".gguf"), []).append(one)
    if file:
        fitting = [parts for parts in models.values() if file in (part.path for part in parts)]
    else:
        wanted = (quant or USUAL_QUANT).lower()
        fitting = [parts for parts in models.values() if _quant(parts[0].path).lower() == wanted]
        if not fitting and not quant and len(models) == 1:
            fitting = list(models.values())
    if len(fitting) == 1:
        return _whole(hub, fitting[0])
    known = ", ".join(sorted({_quant(parts[0].path) or Path(parts[0].path).name for parts in models.values()}))
    what = file or quant or f"no {USUAL_QUANT} to take by itself"
    if not models:
        raise ModelMissing(f"{hub} holds no GGUF file.", "look for a repository whose name ends in -GGUF")
    verb = "has several files of" if fitting else "has no"
    message = f"{hub} {verb} {what}: there is {known}." if file or quant else f"{hub} has {what}: there is {known}."
    example = Path(next(iter(models.values()))[0].path)
    raise ModelMissing(message, f"confspec pull hf:{hub}/{example}")


def _whole(hub: str, parts: list[Listed]) -> list[Listed]:
    shard = _SHARD.fullmatch(parts[0].path)
    if shard and len(parts) != int(shard["count"]):
        raise ModelMissing(f"{hub} holds {len(parts)} of the {int(shard['count'])} parts of {shard['stem']}.")
    return parts


def _quant(path: str) -> str:
    stem = _SHARD.sub(lambda shard: shard["stem"], path.removesuffix(".gguf") + ".gguf").removesuffix(".gguf")
    found = _QUANT.findall(stem)
    return found[-1].upper() if found else ""
