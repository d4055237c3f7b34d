"""Model files from the hub: the real client against a hub that speaks a little of the protocol."""

import subprocess
import sys
from functools import partial

import huggingface_hub.constants
import pytest
from support.faulty_server import Fault, FaultyHub
from support.model_sources import REVISION, Recorder, at_hub, hub_of, pinned, served, sha256

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models.hub import Hub, dataset_file, listing
from confspec_cli.models.references import Listed
from confspec_cli.models.registry import Model
from confspec_cli.models.sources import HubSource
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
    assert watch.begun == ["downloading from the hub repository owner/name", "checking"]
    assert watch.done[-1] == len(CONTENT)


def test_a_file_in_the_cache_needs_no_network(monkeypatch, tmp_path):
    with hub_of(monkeypatch, tmp_path, HELD) as requests:
        store, model = Store(tmp_path / "store"), Model("tiny", (FILE,))
        path = store.pull(model, Recorder())
        before = len(requests)
        watch = Recorder()
        assert store.pull(model, watch) == store.find(model) == path == [Hub(SOURCE).locate(FILE)]
        assert len(requests) == before
        assert watch.begun == []


def test_the_same_bytes_at_another_revision_in_the_cache_are_used_where_they_are(monkeypatch, tmp_path):
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    folder = tmp_path / "hub" / "models--owner--name"
    for revision, content in (("a" * 40, CONTENT[::-1]), ("b" * 40, CONTENT)):
        blob, place = folder / "blobs" / sha256(content), folder / "snapshots" / revision / "tiny.gguf"
        for one in (blob, place):
            one.parent.mkdir(parents=True, exist_ok=True)
        blob.write_bytes(content)
        place.symlink_to(blob)
    watch = Recorder()
    assert Store(tmp_path / "store").pull(Model("tiny", (FILE,)), watch) == [place]
    assert watch.begun == ["checking"]


def test_the_token_goes_to_the_hub_alone(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    with FaultyHub(body=CONTENT) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        Hub(SOURCE).fetch(FILE, Recorder())
    seen = {path.split("/")[1]: token for _, path, _, token in server.requests}
    assert seen == {"owner": "Bearer hf_secret", "lfs": None}


def test_the_hub_is_asked_again_for_the_rest_since_where_it_sends_us_is_good_for_an_hour(monkeypatch, tmp_path):
    with FaultyHub(body=CONTENT, faults=[Fault(after=100_000)]) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        assert Hub(SOURCE).fetch(FILE, Recorder()).read_bytes() == CONTENT
    asked = [(path.split("/")[1], reach) for method, path, reach, _ in server.requests if method == "GET"]
    reach = asked[-1][1]
    assert asked == [("owner", None), ("lfs", None), ("owner", reach), ("lfs", reach)]
    assert reach.startswith("bytes=")


def test_answers_that_end_early_without_a_word_are_given_up_and_what_came_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr("confspec_cli.models.hub.time.sleep", lambda _: None)
    told = {"X-Repo-Commit": REVISION, "ETag": f'"{FILE.sha256}"', "X-Linked-Size": len(CONTENT), "Content-Length": 10}
    with served(lambda method, path: (200, told, CONTENT[:10])) as address:
        at_hub(monkeypatch, tmp_path, address)
        with pytest.raises(DownloadError, match="ends its answers too early"):
            Hub(SOURCE).fetch(FILE, Recorder())
    assert [path.suffix for path in blobs(tmp_path)] == [".part"]


def test_an_answer_without_end_is_not_read_to_it(monkeypatch, tmp_path):
    told = {"X-Repo-Commit": REVISION, "ETag": f'"{FILE.sha256}"', "X-Linked-Size": len(CONTENT)}
    with served(lambda method, path: (200, told, CONTENT * 20)) as address:
        at_hub(monkeypatch, tmp_path, address)
        watch = Recorder()
        with pytest.raises(StorageError, match="has more than"):
            Hub(SOURCE).fetch(FILE, watch)
    assert max(watch.done) <= len(CONTENT) + (1 << 16)
    assert blobs(tmp_path) == []


def test_a_copy_in_the_cache_that_no_hash_names_is_read_once_more(monkeypatch, tmp_path):
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    place = tmp_path / "hub" / "models--owner--name" / "snapshots" / REVISION / "tiny.gguf"
    place.parent.mkdir(parents=True)
    place.write_bytes(CONTENT[::-1])
    store, model = Store(tmp_path / "store"), Model("tiny", (FILE,))
    with pytest.raises(StorageError, match="is not the pinned file: its sha256"):
        store.pull(model, Recorder())
    assert place.exists()
    assert store.find(model) is None
    place.write_bytes(CONTENT)
    watch = Recorder()
    assert store.pull(model, watch) == [place]
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
        (404, "EntryNotFound", f"owner/name has no file tiny.gguf at revision {REVISION}", ""),
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
    with pytest.raises(DownloadError, match=r"Cannot reach http://127\.0\.0\.1:1: .*refused"):
        Hub(SOURCE).fetch(FILE, Recorder())


def test_a_server_that_is_no_hub_is_told(monkeypatch, tmp_path):
    with served(lambda method, path: (200, {"ETag": '"portal"'}, CONTENT)) as address:
        at_hub(monkeypatch, tmp_path, address)
        with pytest.raises(DownloadError, match="does not respond like a Hugging Face hub"):
            Hub(SOURCE).fetch(FILE, Recorder())


def test_offline_mode_is_respected(monkeypatch, tmp_path):
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    with pytest.raises(DownloadError, match="HF_HUB_OFFLINE is set, so nothing can be downloaded") as caught:
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


def test_looking_for_what_is_here_does_not_load_the_hub_client():
    code = "import sys; from confspec_cli.app import main; main(['models', 'list', '--all']); "
    code += "sys.exit('huggingface_hub.file_download' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=False).returncode == 0


# Hubs that are not to be trusted


def outside(tmp_path):
    """Every file that is not below the cache."""
    hub = tmp_path / "hub"
    return sorted(path for path in tmp_path.rglob("*") if path.is_file() and not path.is_relative_to(hub))


@pytest.mark.parametrize("name", ["victim", "not-there"])
@pytest.mark.parametrize("ask", ["model", "dataset"])
def test_an_etag_that_is_a_path_is_refused_and_touches_nothing(monkeypatch, tmp_path, name, ask):
    (tmp_path / "victim").write_bytes(b"precious")
    with FaultyHub(body=CONTENT, claimed=f"../../../{name}") as server:
        at_hub(monkeypatch, tmp_path, server.address)
        monkeypatch.setattr(server, "answer", partial(_as_dataset, server, server.answer))
        with pytest.raises(DownloadError, match="an ETag that is no SHA-1 or SHA-256"):
            Hub(SOURCE).fetch(FILE, Recorder()) if ask == "model" else dataset_file("owner/name", "tiny.gguf")
    assert outside(tmp_path) == [tmp_path / "victim"]
    assert (tmp_path / "victim").read_bytes() == b"precious"
    assert server.sent == 0


def _as_dataset(server, answer, handler):
    handler.path = handler.path.replace("/datasets/", "/").replace("/main/", f"/{REVISION}/")
    answer(handler)


@pytest.mark.parametrize("claim", ["e" * 32, "E" * 64, "", "W/" + "a" * 40])
def test_an_etag_that_is_no_hash_is_refused(monkeypatch, tmp_path, claim):
    told = {"X-Repo-Commit": REVISION, "ETag": f'"{claim}x"', "X-Linked-Size": len(CONTENT)}
    with served(lambda method, path: (200, told, CONTENT)) as address:
        at_hub(monkeypatch, tmp_path, address)
        with pytest.raises(DownloadError, match="no SHA-1 or SHA-256"):
            Hub(SOURCE).fetch(FILE, Recorder())
    assert blobs(tmp_path) == []


def test_a_commit_that_is_a_path_is_refused(monkeypatch, tmp_path):
    told = {"X-Repo-Commit": "../../../../x", "ETag": f'"{FILE.sha256}"', "X-Linked-Size": len(CONTENT)}
    source = HubSource("owner/name", "main")
    with served(lambda method, path: (200, told, CONTENT)) as address:
        at_hub(monkeypatch, tmp_path, address)
        with pytest.raises(DownloadError, match="does not respond like a Hugging Face hub"):
            Hub(source).fetch(pinned(CONTENT, source), Recorder())
    assert outside(tmp_path) == []


def test_a_small_file_that_the_hub_names_by_its_sha1_is_checked_against_the_pin(monkeypatch, tmp_path):
    with FaultyHub(body=CONTENT, claimed="d" * 40) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        path = Hub(SOURCE).fetch(FILE, Recorder())
    assert path.read_bytes() == CONTENT
    assert path.resolve().name == "d" * 40


def test_content_without_end_is_read_no_further_than_the_pin(monkeypatch, tmp_path):
    with FaultyHub(body=CONTENT, claimed="d" * 40, endless="content") as server:
        at_hub(monkeypatch, tmp_path, server.address)
        with pytest.raises(StorageError, match="has more than"):
            Hub(SOURCE).fetch(FILE, Recorder())
    assert blobs(tmp_path) == []


def test_a_listing_without_end_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr("confspec_cli.models.hub_requests._LISTING_BYTES", 1 << 20)
    with FaultyHub(body=CONTENT, endless="listing") as server:
        at_hub(monkeypatch, tmp_path, server.address)
        with pytest.raises(DownloadError, match="more than 1 MiB, which is too much"):
            listing("owner/name", "main")


def test_a_listing_that_takes_too_long_is_given_up(monkeypatch, tmp_path):
    monkeypatch.setattr("confspec_cli.models.hub_requests._LISTING_SECONDS", 0)
    with FaultyHub(body=CONTENT, endless="listing") as server:
        at_hub(monkeypatch, tmp_path, server.address)
        with pytest.raises(DownloadError, match="takes longer than 0 seconds"):
            listing("owner/name", "main")


def test_the_body_of_a_refusal_is_not_read(monkeypatch, tmp_path):
    with FaultyHub(body=CONTENT, endless="refusal") as server:
        at_hub(monkeypatch, tmp_path, server.address)
        with pytest.raises(DownloadError, match="answered 404"):
            listing("owner/name", "main")


@pytest.mark.parametrize(
    "told",
    [
        *([], None, "text", 3, {}, {"sha": REVISION}, {"sha": REVISION, "siblings": None}),
        *({"sha": "../../x", "siblings": []}, {"sha": None, "siblings": []}, {"sha": 3, "siblings": []}),
    ],
)
def test_a_listing_of_another_form_is_a_sentence(monkeypatch, tmp_path, told):
    with FaultyHub(body=CONTENT, listing=lambda _: told) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        with pytest.raises(DownloadError, match="does not list owner/name as a Hugging Face hub does"):
            listing("owner/name", "main")


@pytest.mark.parametrize(
    "changed",
    [
        *({"rfilename": name} for name in ("../x.gguf", "/etc/x.gguf", "a\nb.gguf", "a\x1b[2Jb.gguf", "a\u202eb.gguf")),
        *(
            {"rfilename": name}
            for name in ("-rf.gguf", ".x.gguf", "a\\b.gguf", "x" * 300 + ".gguf", 3, None, "a\udc80.gguf")
        ),
        *({"size": size} for size in (0, -5, "12", 10**30, None, 1.5, True)),
        *({"lfs": lfs} for lfs in (None, 3, {}, {"sha256": "xyz"}, {"sha256": None}, {"sha256": "../../x"})),
    ],
)
def test_an_odd_entry_of_a_listing_is_passed_over(monkeypatch, tmp_path, changed):
    def both(entry):
        return {"sha": REVISION, "siblings": [{**entry, "rfilename": "odd.gguf", **changed}, entry, 7]}

    with FaultyHub(body=CONTENT, listing=both) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        assert listing("owner/name", "main") == (REVISION, [Listed("tiny.gguf", len(CONTENT), FILE.sha256)])


def test_a_file_of_a_dataset_comes_from_the_cache_where_no_hub_answers(monkeypatch, tmp_path):
    with FaultyHub(body=CONTENT) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        monkeypatch.setattr(server, "answer", partial(_as_dataset, server, server.answer))
        path = dataset_file("owner/name", "tiny.gguf")
        assert path.read_bytes() == CONTENT
        before = server.sent
        assert dataset_file("owner/name", "tiny.gguf") == path
        assert server.sent == before
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    assert dataset_file("owner/name", "tiny.gguf") == path
    with pytest.raises(DownloadError, match="Cannot reach"):
        dataset_file("owner/name", "other")


def test_a_damaged_blob_is_fetched_again(monkeypatch, tmp_path):
    store, model = Store(tmp_path / "store"), Model("tiny", (FILE,))
    with FaultyHub(body=CONTENT) as server:
        at_hub(monkeypatch, tmp_path, server.address)
        [path] = store.pull(model, Recorder())
        path.resolve().write_bytes(CONTENT[::-1])
        watch = Recorder()
        assert store.pull(model, watch) == [path]
    assert path.read_bytes() == CONTENT
    assert "is not the pinned file" in watch.warnings[0]
