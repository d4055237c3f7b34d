"""Model files from the hub: the real client against a hub that speaks a little of the protocol."""

import os

import huggingface_hub.constants
import pytest
from sources import REVISION, Recorder, at_hub, hub_of, pinned, served

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models.base import HubSource
from confspec_cli.models.hub import Hub, _bar
from confspec_cli.models.registry import Model
from confspec_cli.models.store import Store

CONTENT = b"weights" * 100_000
SOURCE = HubSource("owner/name", REVISION)
FILE = pinned(CONTENT, SOURCE)
HELD = {"owner/name/tiny.gguf": CONTENT}


def blobs(tmp_path):
    return [path for path in (tmp_path / "hub").rglob("*") if path.is_file() and "blobs" in path.parts]


def test_a_file_is_downloaded_into_the_cache_and_used_there(monkeypatch, tmp_path):
    watch = Recorder()
    with hub_of(monkeypatch, tmp_path, HELD):
        path = Hub(SOURCE).fetch(FILE, watch)
    assert path.read_bytes() == CONTENT
    assert path.is_relative_to(tmp_path / "hub" / "models--owner--name" / "snapshots" / REVISION)
    assert watch.begun == ["fetching from the hub repository owner/name", "checking"]
    assert watch.done[-1] == len(CONTENT)


def test_a_file_in_the_cache_needs_no_network(monkeypatch, tmp_path):
    with hub_of(monkeypatch, tmp_path, HELD) as requests:
        Hub(SOURCE).fetch(FILE, Recorder())
        before = len(requests)
        watch = Recorder()
        assert Hub(SOURCE).fetch(FILE, watch) == Hub(SOURCE).locate(FILE)
        assert len(requests) == before
        assert watch.begun == []
        store = Store(tmp_path / "store")
        assert store.find(Model("tiny", (FILE,))) == [Hub(SOURCE).locate(FILE)]


def test_a_copy_in_the_cache_that_no_hash_names_is_read_once_more(monkeypatch, tmp_path):
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    place = tmp_path / "hub" / "models--owner--name" / "snapshots" / REVISION / "tiny.gguf"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[::-1])
    with pytest.raises(StorageError, match="is not the pinned file: its sha256"):
        Hub(SOURCE).fetch(FILE, Recorder())
    assert place.exists()
    place.write_bytes(CONTENT)
    watch = Recorder()
    assert Hub(SOURCE).fetch(FILE, watch) == place
    assert watch.begun == ["checking"]


def test_the_path_in_the_repository_may_be_another_than_the_name(monkeypatch, tmp_path):
    source = HubSource("owner/name", REVISION, "Q4/deep.gguf")
    with hub_of(monkeypatch, tmp_path, {"owner/name/Q4/deep.gguf": CONTENT}):
        assert Hub(source).fetch(pinned(CONTENT, source), Recorder()).name == "deep.gguf"


def test_another_file_is_refused_before_it_is_downloaded(monkeypatch, tmp_path):
    with hub_of(monkeypatch, tmp_path, {"owner/name/tiny.gguf": CONTENT[::-1]}) as requests:
        with pytest.raises(StorageError, match="in the hub repository owner/name is not the pinned file"):
            Hub(SOURCE).fetch(FILE, Recorder())
        assert [method for method, _ in requests] == ["HEAD"]
    assert blobs(tmp_path) == []


def test_bytes_that_are_not_what_the_hub_claims_are_removed(monkeypatch, tmp_path):
    claims = {"owner/name/tiny.gguf": FILE.sha256}
    with (
        hub_of(monkeypatch, tmp_path, {"owner/name/tiny.gguf": CONTENT[::-1]}, claims=claims),
        pytest.raises(StorageError, match="its sha256 is"),
    ):
        Hub(SOURCE).fetch(FILE, Recorder())
    assert blobs(tmp_path) == []
    assert Hub(SOURCE).locate(FILE) is None


@pytest.mark.parametrize(
    ("status", "code", "says", "hint"),
    [
        (
            403,
            "GatedRepo",
            r"owner/name is gated: accept its terms at http://127\.0\.0\.1:\d+/owner/name\.",
            "hf auth login",
        ),
        (401, "", "answered 401 for owner/name", "hf auth login"),
        (404, "RepoNotFound", "owner/name is not on the hub, or private", "hf auth login"),
        (404, "RevisionNotFound", f"owner/name has no revision {REVISION}", ""),
        (404, "EntryNotFound", f"owner/name has no tiny.gguf at revision {REVISION}", ""),
        (403, "", "answered 403 for owner/name", "hf auth login"),
        (503, "", "answered 503 for owner/name", ""),
    ],
)
def test_a_refusal_of_the_hub_becomes_a_sentence_and_a_command(monkeypatch, tmp_path, status, code, says, hint):
    with (
        hub_of(monkeypatch, tmp_path, {}, error=(status, code)) as requests,
        pytest.raises(DownloadError, match=says) as caught,
    ):
        Hub(SOURCE).fetch(FILE, Recorder())
    assert caught.value.hint == hint
    assert len(requests) == 1


def test_a_hub_out_of_reach_is_told_at_once(monkeypatch, tmp_path):
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    with pytest.raises(DownloadError, match=r"http://127\.0\.0\.1:1 cannot be reached: .*refused"):
        Hub(SOURCE).fetch(FILE, Recorder())


def test_a_server_that_is_no_hub_is_told(monkeypatch, tmp_path):
    with served(lambda method, path: (200, {"ETag": '"portal"'}, CONTENT)) as address:
        at_hub(monkeypatch, tmp_path, address)
        with pytest.raises(DownloadError, match="does not seem to be served by a Hugging Face Hub endpoint"):
            Hub(SOURCE).fetch(FILE, Recorder())


def test_offline_mode_is_respected(monkeypatch, tmp_path):
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="while HF_HUB_OFFLINE is set") as caught:
        Hub(SOURCE).fetch(FILE, Recorder())
    assert caught.value.hint == "unset HF_HUB_OFFLINE"


def test_a_cache_that_cannot_be_written_is_explained(monkeypatch, tmp_path):
    (tmp_path / "hub").write_bytes(b"in the way")
    with hub_of(monkeypatch, tmp_path, HELD), pytest.raises(StorageError, match="Not a directory") as caught:
        Hub(SOURCE).fetch(FILE, Recorder())
    assert str(tmp_path / "hub") in str(caught.value)
    assert "HF_HOME" in caught.value.hint


def test_after_an_interrupt_the_next_pull_goes_on_where_it_was(monkeypatch, tmp_path):
    class Impatient(Recorder):
        def advanced(self, done):
            raise KeyboardInterrupt

    with hub_of(monkeypatch, tmp_path, HELD) as requests:
        with pytest.raises(KeyboardInterrupt):
            Hub(SOURCE).fetch(FILE, Impatient())
        assert [path.suffix for path in blobs(tmp_path)] == [".part"]
        assert Hub(SOURCE).locate(FILE) is None
        assert Hub(SOURCE).fetch(FILE, Recorder()).read_bytes() == CONTENT
        assert [method for method, _ in requests].count("GET") <= 2
    assert [path.name for path in blobs(tmp_path)] == [FILE.sha256]


def test_bytes_written_and_transferred_are_not_counted_twice():
    watch = Recorder()
    with _bar(100, watch)(total=None, initial=10, desc="x", unit="B") as bar:
        bar.update(20)
        bar.update_transfer(50)
        bar.update(90.0)
        bar.set_postfix_str("1 MB/s", refresh=False)
    assert watch.done == [30, 50, 100]


def test_the_hub_client_is_loaded_only_when_a_source_is_asked():
    code = "import sys, confspec_cli.models.store; sys.exit('huggingface_hub' in sys.modules)"
    assert os.spawnl(os.P_WAIT, os.sys.executable, "python", "-c", code) == 0
