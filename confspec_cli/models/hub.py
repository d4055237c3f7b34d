"""Model files from the Hugging Face hub, kept in the cache its other tools use and read from there.

Imported only where something is to be downloaded, as huggingface_hub's client is slow to import.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import constants, errors, get_session, get_token, hf_hub_url
from huggingface_hub.utils.logging import set_verbosity

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.files import write_atomically
from confspec_cli.models import hub_cache
from confspec_cli.models.hub_requests import (
    FAULTS,
    HTTPError,
    Stated,
    opened,
    read_bounded,
    refusal,
    repository,
    stated,
)
from confspec_cli.models.partial import Part, adding, begun
from confspec_cli.models.references import Listed
from confspec_cli.models.sources import HubSource, ModelFile, PullProgress, is_as_pinned

_PATIENCE = 4  # connections in a row that bring nothing
_DATASET_BYTES = 1 << 28


class Hub:
    """One file at one revision of a hub repository."""

    def __init__(self, source: HubSource) -> None:
        self._source = source
        self._folder = hub_cache.repository_folder(source.hub)

    @property
    def origin(self) -> str:
        """The repository."""
        return f"the hub repository {self._source.hub}"

    def locate(self, file: ModelFile) -> Path | None:
        """Where the file lies in the cache: at the pinned revision, or the same bytes at another."""
        return hub_cache.locate(self._source, file)

    def fetch(self, file: ModelFile, progress: PullProgress) -> Path:
        """Download into the cache."""
        source, name = self._source, self._source.file or file.name
        try:
            known = stated(source, name)
            if known.size not in (None, file.bytes) or (len(known.etag) == 64 and known.etag != file.sha256):
                raise StorageError(f"{file.name} in {self.origin} is not the pinned file.")
            blob = self._bring(file, known, progress)
            return hub_cache.link(self._folder, source.revision, known.commit, name, blob)
        except FAULTS as error:
            raise refusal(error, source, name) from error

    def place(self, file: ModelFile) -> tuple[Path, int] | None:
        """The repository's folder of blobs in the cache."""
        return self._folder / "blobs", begun(self._folder / "blobs", file)

    def _bring(self, file: ModelFile, known: Stated, progress: PullProgress) -> Path:
        """Have the blob in the cache; what was fetched before a failure is kept, and the pin says how much may come."""
        blobs = self._folder / "blobs"
        blob = blobs / known.etag
        with adding(blobs, file, progress, "HF_HOME") as part:
            if is_as_pinned(blob, file, progress):  # another pull brought it while this one waited
                part.drop()
                return blob
            progress.started(file.name, f"downloading from {self.origin}", file.bytes)
            # Asked of the hub again each time: the address it redirects to is good for an hour or so.
            url = hf_hub_url(self._source.hub, self._source.file or file.name, revision=self._source.revision)
            _fill(part, file, lambda: _add(part, file, url, progress))
            return part.arrive(blob, progress, self.origin)


def _fill(part: Part, file: ModelFile, add: Callable[[], None]) -> None:
    """Add to a part until it is whole. Raises what went wrong when a few times in a row brought it no further."""
    most, in_vain = part.size, 0
    while part.size < file.bytes:
        problem: Exception = DownloadError(f"{constants.ENDPOINT} ends its answers too early.")
        try:
            add()
        except errors.HfHubHTTPError:
            raise
        except HTTPError as error:
            problem = error
        in_vain = 0 if part.size > most else in_vain + 1
        most = max(most, part.size)
        if in_vain > _PATIENCE:
            raise problem
        time.sleep(in_vain)


def _add(part: Part, file: ModelFile, url: str, progress: PullProgress) -> None:
    """Have the rest of a file sent, from where its part ends; from its beginning by servers that know no ranges."""
    with opened(url, part.size) as (start, blocks):
        done = start
        if not start:
            part.stream.truncate(0)
        for block in blocks:
            part.stream.write(block)
            done += len(block)
            if done > file.bytes:
                return  # it is not the file, and might have no end
            progress.advanced(done)


def listing(name: str, revision: str) -> tuple[str, list[Listed]]:
    """The commit a revision stands for, and the repository's large files at it; without a hub, as the cache has them.

    Raises DownloadError in words.
    """
    try:
        commit, entries = repository(name, revision)
    except FAULTS as error:
        if not isinstance(error, errors.HfHubHTTPError) and (cached := _cached(name, revision)):
            return cached
        raise refusal(error, HubSource(name, revision), "") from error
    return commit, [one for entry in entries if (one := _listed(entry))]


def _listed(entry: Any) -> Listed | None:
    """A large file as the hub lists it; None for small ones, and for what is no name, size or hash."""
    try:
        one = Listed(entry["rfilename"], entry["size"], entry["lfs"]["sha256"])
        source = HubSource("owner/name", "main", one.path)
        ModelFile(Path(one.path).name, (source,), one.bytes, one.sha256)
    except (KeyError, TypeError, ValueError, AttributeError):  # of whatever JSON may hold
        return None
    return one if type(one.bytes) is int and 0 < one.bytes < 1 << 50 else None


def _cached(name: str, revision: str) -> tuple[str, list[Listed]] | None:
    """The same from the cache: blobs are named by their sha256."""
    snapshot = hub_cache.snapshot_folder(name, revision)
    paths = [path for path in snapshot.rglob("*.gguf") if path.is_file() and len(path.resolve().name) == 64]
    found = [Listed(str(path.relative_to(snapshot)), path.stat().st_size, path.resolve().name) for path in paths]
    return (snapshot.name, found) if found else None


def reached() -> tuple[str, str | None, bool, Path]:
    """The hub's address, why it does not answer within three seconds, whether there is a token, and the cache."""
    set_verbosity(50)
    problem = None
    if constants.HF_HUB_OFFLINE:
        problem = "HF_HUB_OFFLINE is set"
    else:
        try:
            get_session().head(constants.ENDPOINT, timeout=3)
        except (HTTPError, OSError) as error:
            problem = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return constants.ENDPOINT, problem, get_token() is not None, Path(constants.HF_HUB_CACHE)


def dataset_file(name: str, file: str) -> Path:
    """A file of a dataset on the hub, as it stands there now; from the cache where it is there and nothing is newer.

    Raises DownloadError in words.
    """
    folder, source = hub_cache.repository_folder(name, "datasets"), HubSource(name, "main", file)
    try:
        known = stated(source, file, "dataset")
        blob = folder / "blobs" / known.etag
        if not blob.exists():
            whole = read_bounded(hf_hub_url(name, file, repo_type="dataset"), _DATASET_BYTES)
            if len(known.etag) == 64 and hashlib.sha256(whole).hexdigest() != known.etag:
                raise StorageError(f"{file} of {name} is not what the hub says it is.")
            blob.parent.mkdir(parents=True, exist_ok=True)
            write_atomically(blob, whole)
        return hub_cache.link(folder, source.revision, known.commit, file, blob)
    except FAULTS as error:
        cached = hub_cache.snapshot_folder(name, source.revision, "datasets") / file
        if cached.exists() and not isinstance(error, errors.HfHubHTTPError):
            return cached
        raise refusal(error, source, file) from error
