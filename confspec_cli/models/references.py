"""Models by reference, not by name: `hf:owner/repo[:QUANT|/file.gguf][@revision]`, a web address, or a file's path.

Knows how references are written and which of a repository's files are meant; refuses to know how they get here.
"""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from confspec_cli.errors import ModelMissing, UsageError
from confspec_cli.models import gguf
from confspec_cli.models.registry import Model
from confspec_cli.models.remote_models import is_address
from confspec_cli.models.sources import HubSource, ModelFile, PathSource

USUAL_QUANT = "Q4_K_M"
_SHOWN = 20  # quantizations named in an error
_REFERENCE = re.compile(
    r"hf:(?P<hub>[^/:@\s]+/[^/:@\s]+)(:(?P<quant>[^/:@\s]+)|/(?P<file>[^:@\s]+\.gguf))?(@(?P<revision>[^@\s]+))?"
)
_ADDRESS = re.compile(
    r"(https?://)?(www\.)?(huggingface\.co|hf\.co)/(?P<hub>[^/:@\s?#]+/[^/:@\s?#]+)"
    r"(/(blob|resolve|raw|tree)/(?P<revision>[^/\s?#]+)(/(?P<file>[^\s?#]+\.gguf))?|:(?P<quant>[^/:@\s?#]+))?/?([?#]\S*)?"
)
_USAGE = "confspec pull hf:OWNER/REPO:Q4_K_M   # or hf:OWNER/REPO/FILE.gguf, with @REVISION if need be"
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


def is_on_hub(text: str) -> bool:
    """Whether a text is the web address of a repository or a file on the hub."""
    return _ADDRESS.fullmatch(text) is not None


def resolve(text: str) -> Model:
    """The model a reference means, its files pinned as they stand now. Asks the hub, and if that fails its cache.

    Raises UsageError for what is no reference, DownloadError where the hub cannot say, ModelMissing where it is not.
    """
    reference = _as_reference(text)
    try:
        return _on_hub(reference) if reference.startswith("hf:") else _at_path(Path(text).expanduser())
    except ValueError as error:  # of a source or a file that cannot be
        raise UsageError(f"{text} cannot be a model: {error}.", _USAGE) from None


def _as_reference(text: str) -> str:
    """The `hf:` form of a hub's web address, and of `owner/repo` where no such path is here; else the text itself."""
    if parts := _ADDRESS.fullmatch(text):
        file, quant, revision = (unquote(parts[name] or "") for name in ("file", "quant", "revision"))
        tail = f"/{file}" if file else f":{quant}" if quant else ""
        return f"hf:{parts['hub']}{tail}" + (f"@{revision}" if revision else "")
    if "://" in text:
        is_server = is_address(text) and not text.endswith(".gguf")
        hint = f"confspec models add NAME {shlex.quote(text)}   # if it is a model server" if is_server else _USAGE
        raise UsageError("Models are downloaded from the Hugging Face hub, not from other addresses.", hint)
    is_repository = _REFERENCE.fullmatch(f"hf:{text}") and not text.endswith(".gguf") and text[0] not in ".~-"
    return f"hf:{text}" if is_repository and not os.path.exists(text) else text  # noqa: PTH110 - Path may raise


def _at_path(place: Path) -> Model:
    paths = gguf.parts(place)
    for path in paths:
        if not os.path.isfile(path):  # noqa: PTH113 - Path raises for a name that is too long
            is_there = os.path.exists(path)  # noqa: PTH110
            guess = f"confspec pull {shlex.quote(f'hf:{place}')}" if _REFERENCE.fullmatch(f"hf:{place}") else ""
            raise ModelMissing(
                f"{path} is not a regular file." if is_there else f"No such file: {path}.",
                guess or "confspec models",
            )
    files = tuple(ModelFile(path.name, (PathSource(path),)) for path in paths)
    return Model(paths[0].stem, files, quant=_quant(paths[0].name))


def _on_hub(text: str) -> Model:
    parts = _REFERENCE.fullmatch(text)
    if parts is None:
        raise UsageError(f"{text} is not a reference to a model.", _USAGE)
    from confspec_cli.models.hub import listing  # noqa: PLC0415 - keeps huggingface_hub out of every start

    source = HubSource(parts["hub"], parts["revision"] or "main", parts["file"] or "")
    commit, listed = listing(source.hub, source.revision)
    chosen = chosen_of(source.hub, listed, parts["quant"], parts["file"])
    quant = _quant(chosen[0].path)
    files = tuple(
        ModelFile(Path(one.path).name, (HubSource(source.hub, commit, one.path),), one.bytes, one.sha256)
        for one in chosen
    )
    return Model(f"{source.hub}:{quant}" if quant else source.hub, files, quant=quant)


def chosen_of(hub: str, listed: Sequence[Listed], quant: str | None, file: str | None) -> list[Listed]:
    """The files that are meant, all parts of a split one; of several quantizations the usual one, where none is named.

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
    if not models:
        raise ModelMissing(f"{hub} has no GGUF file.", "look for a repository whose name ends in -GGUF")
    known = sorted({_quant(parts[0].path) or Path(parts[0].path).name for parts in models.values()})
    there = ", ".join(known[:_SHOWN]) + (f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else "")
    what = file or quant or f"{USUAL_QUANT} file to take by default"
    verb = "has several files of" if fitting else "has no"
    example = shlex.quote(f"hf:{hub}/{next(iter(models.values()))[0].path}")
    raise ModelMissing(f"{hub} {verb} {what}; it has {there}.", f"confspec pull {example}")


def _whole(hub: str, parts: list[Listed]) -> list[Listed]:
    shard = _SHARD.fullmatch(parts[0].path)
    if shard and len(parts) != int(shard["count"]):
        raise ModelMissing(f"{hub} has {len(parts)} of the {int(shard['count'])} parts of {shard['stem']}.")
    return parts


def _quant(path: str) -> str:
    stem = _SHARD.sub(lambda shard: shard["stem"], path.removesuffix(".gguf") + ".gguf").removesuffix(".gguf")
    found = _QUANT.findall(stem)
    return found[-1].upper() if found else ""
