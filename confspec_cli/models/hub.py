"""Model files from the Hugging Face hub, kept in the cache its other tools use and read from there.

The only module that imports huggingface_hub, and itself imported only where a source is needed. Which server, cache,
token and proxy are meant, and whether to go online at all, is huggingface_hub's to know.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from huggingface_hub import (
    HfApi,
    constants,
    errors,
    get_hf_file_metadata,
    get_session,
    get_token,
    hf_hub_download,
    hf_hub_url,
)
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # not among the names it exports by type
    build_hf_headers,
    hf_raise_for_status,
    http_stream_backoff,
)
from huggingface_hub.utils.logging import set_verbosity

from confspec_cli.errors import ConfspecError, DownloadError, StorageError
from confspec_cli.models import hub_cache
from confspec_cli.models.partial import Part, adding, begun
from confspec_cli.models.references import Listed
from confspec_cli.models.sources import HubSource, ModelFile, Watch, is_complete, storage_error, verify
from confspec_cli.models.tqdm_adapter import bar

_HTTPError = errors.HTTPError  # type: ignore[attr-defined]  # of httpx or httpx2, by the version of huggingface_hub
_LOGIN = "hf auth login"
_PATIENCE = 4  # connections in a row that bring nothing
_BLOCK = 1 << 16  # bytes written at a time: what a cut connection costs at most
# The first class that fits; a missing repository looks like a private one, and a local entry is missed when offline.
_REFUSALS: tuple[tuple[type[Exception], str, str], ...] = (
    (errors.OfflineModeIsEnabled, "The hub is off limits while HF_HUB_OFFLINE is set.", "unset HF_HUB_OFFLINE"),
    (errors.LocalEntryNotFoundError, "{endpoint} cannot be reached: {reason}.", ""),
    (errors.GatedRepoError, "{hub} is gated: accept its terms at {endpoint}/{hub}.", _LOGIN),
    (errors.RevisionNotFoundError, "{hub} has no revision {revision}.", ""),
    (errors.EntryNotFoundError, "{hub} has no {file} at revision {revision}.", ""),
    (errors.RepositoryNotFoundError, "{hub} is not on the hub, or private.", _LOGIN),
)


class Hub:
    """One file at one revision of a hub repository."""

    def __init__(self, source: HubSource) -> None:
        self._source = source

    @property
    def origin(self) -> str:
        """The repository."""
        return f"the hub repository {self._source.hub}"

    def locate(self, file: ModelFile) -> Path | None:
        """Where the file lies in the cache: at the pinned revision, or the same bytes at another."""
        return hub_cache.locate(self._source, file)

    def fetch(self, file: ModelFile, watch: Watch) -> Path:
        """Download into the cache; a file already there is only checked."""
        if here := self.locate(file):
            # Blobs are named by the hash the hub claims for them; only a copy outside of the blobs has to be read.
            if here.resolve().name != file.sha256:
                watch.started(file.name, "checking", file.bytes)
                verify(here, file, watch.advanced)
            return here
        path = self._download(file, watch)
        if path.resolve().name == file.sha256:
            return path  # checked when it arrived
        watch.started(file.name, "checking", file.bytes)
        try:
            verify(path, file, watch.advanced)
        except StorageError:
            path.resolve().unlink(missing_ok=True)
            path.unlink(missing_ok=True)
            raise
        return path

    def place(self, file: ModelFile) -> tuple[Path, int] | None:
        """The repository's folder of blobs in the cache."""
        return self._blobs, begun(self._blobs, file)

    @property
    def _blobs(self) -> Path:
        return hub_cache.repository_folder(self._source.hub) / "blobs"

    def _download(self, file: ModelFile, watch: Watch) -> Path:
        set_verbosity(50)  # it would log into the progress; what matters reaches us as an exception
        source, name = self._source, self._source.file or file.name
        try:
            # Asked first, since hf_hub_download repeats a failed look-up for half a minute, and then gives no reason.
            known = get_hf_file_metadata(hf_hub_url(source.hub, name, revision=source.revision))
            claim = known.etag or ""  # of a large file, its sha256
            if known.size not in (None, file.bytes) or (len(claim) == len(file.sha256) and claim != file.sha256):
                raise StorageError(f"{file.name} in {self.origin} is not the pinned file.")
            if claim == file.sha256:
                self._bring(file, watch)
            counts: Any = bar(file.bytes, watch.advanced)
            return Path(hf_hub_download(source.hub, name, revision=source.revision, tqdm_class=counts))
        except (_HTTPError, OSError, RuntimeError, ValueError) as error:
            raise _refusal(error, source, name) from error

    def _bring(self, file: ModelFile, watch: Watch) -> None:
        """Have the blob in the cache, where hf_hub_download finds it and gives it its place in the repository.

        It would drop what it has when it fails, so the bytes are asked for here, from where an earlier pull ended.
        """
        blob = self._blobs / file.sha256
        with adding(self._blobs, file, watch, "HF_HOME") as part:
            watch.started(file.name, f"fetching from {self.origin}", file.bytes)
            if is_complete(blob, file):  # by another pull, while this one waited
                part.drop()
                return
            # Asked of the hub again each time: the address it redirects to is good for an hour or so. The token goes no
            # further than the hub, the client sees to that.
            url = hf_hub_url(self._source.hub, self._source.file or file.name, revision=self._source.revision)
            _fill(part, file, lambda: _add(part, file, url, watch))
            part.arrive(blob, watch, self.origin)


def _fill(part: Part, file: ModelFile, add: Callable[[], None]) -> None:
    """Add to a part until it is whole. Raises what went wrong when a few times in a row brought it no further."""
    most, in_vain = part.size, 0
    while part.size < file.bytes:
        problem: Exception = DownloadError(f"{constants.ENDPOINT} ends its answers too early.")
        try:
            add()
        except errors.HfHubHTTPError:
            raise
        except _HTTPError as error:
            problem = error
        in_vain = 0 if part.size > most else in_vain + 1
        most = max(most, part.size)
        if in_vain > _PATIENCE:
            raise problem
        time.sleep(in_vain)


def _add(part: Part, file: ModelFile, url: str, watch: Watch) -> None:
    """Have the rest of a file sent, from where its part ends; from its beginning by servers that know no ranges."""
    done = part.size
    headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
    ranged = {**headers, "Range": f"bytes={done}-"} if done else headers
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with http_stream_backoff("GET", url, headers=ranged, timeout=timeout, retry_on_exceptions=()) as response:
        hf_raise_for_status(response)
        if done and response.status_code == 200:
            part.stream.truncate(0)
            done = 0
        for block in response.iter_bytes(_BLOCK):
            part.stream.write(block)
            done += len(block)
            if done > file.bytes:
                return  # it is not the file, and might have no end
            watch.advanced(done)


def listing(repository: str, revision: str) -> tuple[str, list[Listed]]:
    """The commit a revision stands for, and the repository's large files at it; without a hub, as the cache has them.

    Raises DownloadError in words.
    """
    set_verbosity(50)
    try:
        info = HfApi().model_info(repository, revision=revision, files_metadata=True, timeout=10)
    except (_HTTPError, OSError, RuntimeError, ValueError) as error:
        if not isinstance(error, errors.HfHubHTTPError) and (cached := _cached(repository, revision)):
            return cached
        raise _refusal(error, HubSource(repository, revision), "") from error
    files = [Listed(one.rfilename, one.size or 0, one.lfs.sha256) for one in info.siblings or () if one.lfs]
    return str(info.sha), files


def _cached(repository: str, revision: str) -> tuple[str, list[Listed]] | None:
    """The same from the cache: blobs are named by their sha256."""
    snapshot = hub_cache.snapshot_folder(repository, revision)
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
        except (_HTTPError, OSError) as error:
            problem = " ".join(str(error.__cause__ or error).split()) or type(error).__name__
    return constants.ENDPOINT, problem, get_token() is not None, Path(constants.HF_HUB_CACHE)


def dataset_file(repository: str, file: str) -> Path:
    """A file of a dataset on the hub, as it stands there now; from the cache where it is there and nothing is newer.

    Raises DownloadError in words.
    """
    set_verbosity(50)
    try:
        return Path(hf_hub_download(repository, file, repo_type="dataset", tqdm_class=bar(0, lambda _: None)))
    except (_HTTPError, OSError, RuntimeError, ValueError) as error:
        raise _refusal(error, HubSource(repository, "main", file), file) from error


def _refusal(error: Exception, source: HubSource, file: str) -> ConfspecError:
    """What went wrong, in words, with the next command to type."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError):
        return storage_error(error, Path(constants.HF_HUB_CACHE), "HF_HOME")
    reason = " ".join(str(error.__cause__ or error).split()).split(". ")[0].rstrip(".") or type(error).__name__
    words = {"endpoint": constants.ENDPOINT, "hub": source.hub, "revision": source.revision, "file": file}
    for kind, sentence, hint in _REFUSALS:
        if isinstance(error, kind):
            return DownloadError(sentence.format(**words, reason=reason), hint)
    if isinstance(error, errors.HfHubHTTPError):
        status = error.response.status_code
        is_denied = status in (401, 403)
        return DownloadError(f"{constants.ENDPOINT} answered {status} for {source.hub}.", _LOGIN if is_denied else "")
    return DownloadError(f"{constants.ENDPOINT} cannot be reached: {reason}.")
