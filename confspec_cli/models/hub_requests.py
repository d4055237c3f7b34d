"""Requests to the Hugging Face hub, none without bounds, and what a refusal means in words.

Which server, token and proxy are meant, and whether to go online at all, is huggingface_hub's to know. The server need
not be huggingface.co: whatever it answers is checked before it becomes a path, a size or a line on the screen.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from huggingface_hub import constants, errors, get_hf_file_metadata, hf_hub_url
from huggingface_hub.utils import (  # type: ignore[attr-defined]  # not among the names it exports by type
    build_hf_headers,
    hf_raise_for_status,
    http_stream_backoff,
)
from huggingface_hub.utils.logging import set_verbosity

from confspec_cli.errors import ConfspecError, DownloadError
from confspec_cli.models.sources import HubSource, storage_error

HTTPError = errors.HTTPError  # type: ignore[attr-defined]  # of httpx or httpx2, by the version of huggingface_hub
FAULTS = (HTTPError, OSError, RuntimeError, ValueError)
"""What huggingface_hub raises; `refusal` puts it in words."""

_BLOCK = 1 << 16  # bytes read at a time: what a cut connection costs at most
_LISTING_BYTES = 32 << 20  # a repository of 100 000 files takes about as much
_LISTING_SECONDS = 60
_LOGIN = "hf auth login"
_CHECK = "confspec doctor"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_ETAG = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
# The first class that fits; a missing repository looks like a private one, and a local entry is missed when offline.
_REFUSALS: tuple[tuple[type[Exception], str, str], ...] = (
    (errors.OfflineModeIsEnabled, "HF_HUB_OFFLINE is set, so nothing can be downloaded.", "unset HF_HUB_OFFLINE"),
    (errors.LocalEntryNotFoundError, "Cannot reach {endpoint}: {reason}.", _CHECK),
    (errors.GatedRepoError, "{hub} is gated: accept its terms at {endpoint}/{hub}.", _LOGIN),
    (errors.RevisionNotFoundError, "{hub} has no revision {revision}.", ""),
    (errors.EntryNotFoundError, "{hub} has no file {file} at revision {revision}.", ""),
    (errors.RepositoryNotFoundError, "{hub} is not on the hub, or private.", _LOGIN),
)


@dataclass(frozen=True, slots=True)
class Stated:
    """What the hub says of a file: the name of its blob, the commit it belongs to, and its size where it says."""

    etag: str
    commit: str
    size: int | None


def stated(source: HubSource, file: str, repo_type: str = "model") -> Stated:
    """Ask the hub about a file. Raises DownloadError for an answer that could not become a path in the cache."""
    set_verbosity(50)  # it would log into the progress; what matters reaches us as an exception
    told = get_hf_file_metadata(hf_hub_url(source.hub, file, revision=source.revision, repo_type=repo_type))
    etag, commit = told.etag or "", source.revision if is_commit(source.revision) else told.commit_hash or ""
    if told.commit_hash is None or not is_commit(commit):
        raise DownloadError(f"{constants.ENDPOINT} does not respond like a Hugging Face hub.")
    if not _ETAG.fullmatch(etag):
        raise DownloadError(f"{constants.ENDPOINT} gives {file} an ETag that is no SHA-1 or SHA-256: {etag[:80]!a}.")
    return Stated(etag, commit, told.size)


def is_commit(revision: str) -> bool:
    """Whether a revision is the name of a commit, which always means the same files."""
    return _COMMIT.fullmatch(revision) is not None


@contextmanager
def opened(url: str, start: int = 0) -> Iterator[tuple[int, Iterator[bytes]]]:
    """An answer of the hub, from a byte on: where it really starts, and its bytes, which may have no end.

    Servers that know no ranges start at 0. The token goes no further than the hub, the client sees to that.
    """
    headers = {**build_hf_headers(), "Accept-Encoding": "identity", **({"Range": f"bytes={start}-"} if start else {})}
    timeout = constants.HF_HUB_DOWNLOAD_TIMEOUT
    with http_stream_backoff("GET", url, headers=headers, timeout=timeout, retry_on_exceptions=()) as response:
        if response.status_code >= 400:  # huggingface_hub would read the body of an error to its end
            kept = {key: value for key, value in response.headers.items() if key.lower().startswith("x-error-")}
            hf_raise_for_status(type(response)(response.status_code, headers=kept, request=response.request))
        yield 0 if response.status_code == 200 else start, response.iter_bytes(_BLOCK)


def read_bounded(url: str, limit: int, seconds: float = float("inf")) -> bytes:
    """A whole answer. Raises DownloadError where it is longer, or takes longer."""
    latest = time.monotonic() + seconds
    whole = bytearray()
    with opened(url) as (_, blocks):
        for block in blocks:
            whole += block
            if len(whole) > limit:
                raise DownloadError(f"{constants.ENDPOINT} sends more than {limit >> 20} MiB, which is too much.")
            if time.monotonic() > latest:
                raise DownloadError(f"{constants.ENDPOINT} takes longer than {seconds:g} seconds to answer.")
    return bytes(whole)


def repository(name: str, revision: str) -> tuple[str, list[Any]]:
    """The commit a revision of a repository stands for, and the entries of its files. Raises DownloadError."""
    set_verbosity(50)
    url = f"{constants.ENDPOINT}/api/models/{name}/revision/{revision.replace('/', '%2F')}?blobs=true"
    raw = read_bounded(url, _LISTING_BYTES, _LISTING_SECONDS)
    try:
        told = json.loads(raw)
        commit, entries = told["sha"], told["siblings"]
    except (ValueError, KeyError, TypeError, RecursionError):
        commit, entries = None, None
    if not isinstance(commit, str) or not is_commit(commit) or not isinstance(entries, list):
        raise DownloadError(f"{constants.ENDPOINT} does not list {name} as a Hugging Face hub does.")
    return commit, entries


def refusal(error: Exception, source: HubSource, file: str) -> ConfspecError:
    """What went wrong, in words, with the next command to type."""
    if isinstance(error, OSError) and error.errno and not isinstance(error, ConnectionError | TimeoutError):
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
    return DownloadError(f"Cannot reach {constants.ENDPOINT}: {reason}.", _CHECK)
