"""Models by reference: which files of a repository are meant, and what is said where none or several could be."""

import json
import os

import pytest
from support.model_sources import REVISION, at_hub, served, sha256

from confspec_cli.app import main
from confspec_cli.core.trace import Author
from confspec_cli.errors import ConfspecError, DownloadError, Exit, ModelMissing, UsageError
from confspec_cli.models import references
from confspec_cli.models.references import Listed, chosen_of, resolve
from confspec_cli.models.registry import load
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

Q4, Q8 = b"four bits" * 1000, b"eight bits" * 1000
FILES = {"model-Q4_K_M.gguf": Q4, "model-Q8_0.gguf": Q8, "mmproj-F16.gguf": b"eyes", "README.md": None}


def sibling(name, body):
    """A file as the hub lists it; only large ones have a hash."""
    lfs = {"size": len(body), "lfs": {"size": len(body), "sha256": sha256(body), "pointerSize": 1}} if body else {}
    return {"rfilename": name, **lfs}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """A hub with one repository; yields the requests it has had."""
    requests = []

    def answer(method, path):
        requests.append((method, path))
        path = path.partition("?")[0]
        if path.startswith("/api/models/owner/name/revision/"):
            if not path.endswith(("/main", f"/{REVISION}")):
                return 404, {"X-Error-Code": "RevisionNotFound"}, b""
            siblings = [sibling(name, body) for name, body in FILES.items()]
            return 200, {}, json.dumps({"id": "owner/name", "sha": REVISION, "siblings": siblings}).encode()
        body = FILES.get(path.rpartition("/")[2]) if f"owner/name/resolve/{REVISION}/" in path else None
        if body is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        return 200, {"X-Repo-Commit": REVISION, "ETag": f'"{sha256(body)}"'}, body

    with served(answer) as address:
        at_hub(monkeypatch, tmp_path, address)
        monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
        monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
        yield requests


def listed(*paths):
    return [Listed(path, 1, "0" * 64) for path in paths]


@pytest.mark.parametrize("reference", ["hf:owner/name", "hf:owner/name:q4_k_m", f"hf:owner/name@{REVISION}"])
def test_the_usual_quantization_is_meant_where_none_is_named_and_pinned_as_it_stands(hub, reference):
    model = resolve(reference)
    (file,) = model.files
    assert (file.name, file.bytes, file.sha256) == ("model-Q4_K_M.gguf", len(Q4), sha256(Q4))
    assert file.sources[0].revision == REVISION
    assert (model.name, model.quant) == ("owner/name:Q4_K_M", "Q4_K_M")


def test_a_file_may_be_named(hub):
    assert resolve("hf:owner/name/model-Q8_0.gguf").files[0].sha256 == sha256(Q8)


@pytest.mark.parametrize(
    ("reference", "error", "says"),
    [
        ("hf:owner/name:Q2_K", ModelMissing, "owner/name has no Q2_K; it has Q4_K_M, Q8_0."),
        ("hf:owner/name/other.gguf", ModelMissing, "owner/name has no other.gguf; it has"),
        ("hf:owner/name@old", DownloadError, "owner/name has no revision old"),
        ("hf:owner/none", DownloadError, "owner/none is not on the hub, or private"),
        ("hf:name", UsageError, "hf:name is not a reference to a model"),
        ("nowhere/file.gguf", ModelMissing, "No such file: nowhere/file.gguf"),
    ],
)
def test_what_cannot_be_is_told_with_what_there_is(hub, reference, error, says):
    with pytest.raises(error, match=says):
        resolve(reference)


def test_the_parts_of_a_split_model_are_one():
    parts = [f"q/big-Q4_K_M-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    assert [one.path for one in chosen_of("o/r", listed(*reversed(parts), "big-Q8_0.gguf"), None, None)] == parts
    assert [one.path for one in chosen_of("o/r", listed(*parts), None, parts[0])] == parts
    with pytest.raises(ModelMissing, match="has 2 of the 3 parts"):
        chosen_of("o/r", listed(*parts[:2]), "Q4_K_M", None)


def test_one_model_alone_is_meant_whatever_its_quantization():
    assert chosen_of("o/r", listed("only-IQ3_XS.gguf"), None, None)[0].path == "only-IQ3_XS.gguf"
    with pytest.raises(ModelMissing, match=r"has no Q4_K_M file to take by default; it has Q5_K_M, Q8_0\."):
        chosen_of("o/r", listed("a-Q8_0.gguf", "a-Q5_K_M.gguf"), None, None)
    with pytest.raises(ModelMissing, match="several files of Q8_0"):
        chosen_of("o/r", listed("a-Q8_0.gguf", "b-Q8_0.gguf"), "Q8_0", None)
    with pytest.raises(ModelMissing, match="has no GGUF file"):
        chosen_of("o/r", listed("model.safetensors"), None, None)


def test_a_reference_is_pulled_and_then_found_without_a_hub(hub, tmp_path, capsys, monkeypatch):
    assert main(["pull", "hf:owner/name:Q8_0"]) == Exit.OK
    said = capsys.readouterr().err
    assert "hf:owner/name:Q8_0 is ready" in said
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    at_hub(monkeypatch, tmp_path, "http://127.0.0.1:1")
    resolved = resolve_pair(user_registry(), RunOptions(draft=f"hf:owner/name:Q8_0@{REVISION}"))
    assert resolved.roles[Author.DRAFT].files[0].sha256 == sha256(Q8)
    assert main(["pull", f"hf:owner/name:Q8_0@{REVISION}"]) == Exit.OK
    assert "already downloaded" in capsys.readouterr().err


def test_a_dry_run_says_what_would_come_from_where_and_fetches_nothing(hub, capsys, tmp_path):
    assert main(["pull", "--dry-run", "hf:owner/name"]) == Exit.OK
    out = capsys.readouterr().out
    assert "model-Q4_K_M.gguf" in out and "the hub repository owner/name" in out
    assert out.splitlines()[-1] == "9.0 kB to download"
    assert not [path for path in tmp_path.rglob("*") if path.is_file()]
    main(["pull", "-q", "hf:owner/name"])
    main(["pull", "--dry-run", "hf:owner/name"])
    assert capsys.readouterr().out.splitlines()[-1] == "nothing to download"


def test_a_path_is_used_where_it_is(hub, tmp_path, capsys):
    (tmp_path / "mine.gguf").write_bytes(b"mine")
    assert main(["pull", str(tmp_path / "mine.gguf")]) == Exit.OK
    assert capsys.readouterr().err.splitlines()[-1].endswith(f"is ready: 4 bytes in {tmp_path}")


def test_the_parts_of_a_split_model_of_ones_own_are_one_and_all_have_to_be_there(hub, tmp_path, capsys):
    parts = [tmp_path / f"mine-Q8_0-0000{n}-of-00003.gguf" for n in (1, 2, 3)]
    for part in parts:
        part.write_bytes(b"part")
    model = resolve(str(parts[1]))
    assert [file.sources[0].path for file in model.files] == parts
    assert model.quant == "Q8_0"
    assert main(["pull", str(parts[2])]) == Exit.OK
    assert "is ready: 12 bytes" in capsys.readouterr().err
    parts[1].unlink()
    with pytest.raises(ModelMissing, match=r"No such file: .*-00002-of-00003"):
        resolve(str(parts[0]))


def test_a_reference_is_given_a_name_with_its_pins(hub, tmp_path):
    assert main(["models", "add", "mine", "hf:owner/name:Q8_0", "--licence", "MIT"]) == Exit.OK
    model = load(tmp_path / "config" / "models.yaml").model("mine")
    (file,) = model.files
    assert (file.name, file.bytes, file.sha256, model.quant) == ("model-Q8_0.gguf", len(Q8), sha256(Q8), "Q8_0")
    assert (file.sources[0].hub, file.sources[0].revision) == ("owner/name", REVISION)
    assert main(["pull", "-q", "mine"]) == Exit.OK


def test_a_disk_too_small_is_told_before_the_first_byte(hub, monkeypatch, capsys):
    import shutil

    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 9, 1))
    for options in ([], ["--dry-run"]):
        assert main(["pull", "hf:owner/name", *options]) == Exit.STORAGE
        assert "nothing was written" in capsys.readouterr().err
    assert not [path for method, path in hub if "/resolve/" in path]


REPOSITORY = "hf:owner/name"


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("https://huggingface.co/owner/name", REPOSITORY),
        ("https://huggingface.co/owner/name/", REPOSITORY),
        ("http://www.huggingface.co/owner/name?not-for-all-audiences=true", REPOSITORY),
        ("hf.co/owner/name:Q8_0", f"{REPOSITORY}:Q8_0"),
        ("https://huggingface.co/owner/name/tree/main", f"{REPOSITORY}@main"),
        ("https://huggingface.co/owner/name/blob/main/a/x.gguf", f"{REPOSITORY}/a/x.gguf@main"),
        ("https://huggingface.co/owner/name/resolve/refs%2Fpr%2F1/x%20y.gguf?download=true", None),
        ("https://huggingface.co/owner/name/resolve/v1/x.gguf?download=true", f"{REPOSITORY}/x.gguf@v1"),
        ("owner/name", REPOSITORY),
        ("owner/name:Q4_K_M", f"{REPOSITORY}:Q4_K_M"),
        ("owner/name@v1", f"{REPOSITORY}@v1"),
        ("./owner/name", "./owner/name"),
        ("~/owner", "~/owner"),
        ("owner/name.gguf", "owner/name.gguf"),
        ("/owner/name", "/owner/name"),
        ("here/there", "here/there"),
    ],
)
def test_what_is_copied_from_a_browser_is_a_reference(monkeypatch, tmp_path, text, means):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "here" / "there").mkdir(parents=True)
    meant = references._as_reference(text)
    assert meant == (means or "hf:owner/name/x y.gguf@refs/pr/1")


@pytest.mark.parametrize(
    ("text", "says", "hint"),
    [
        ("https://example.com/x.gguf", "from the Hugging Face hub, not from other addresses", "hf:OWNER/REPO"),
        ("http://gpubox:8000/v1#x", "not from other addresses", "confspec models add NAME 'http://gpubox:8000/v1#x'"),
        ("hf:foo--bar/baz", "is no repository", "hf:OWNER/REPO"),
        ("hf:../..", "is no repository", "hf:OWNER/REPO"),
        ("hf:owner/name@../../x", "is no revision in a repository", "hf:OWNER/REPO"),
        ("hf:owner/name/../x.gguf", "is no file in a repository", "hf:OWNER/REPO"),
        ("owner/name/x.gguf", "No such file: owner/name/x.gguf", "confspec pull hf:owner/name/x.gguf"),
        ("x" * 300 + ".gguf", "No such file:", "confspec models"),
        ("./-x.gguf", "is not the plain name of a file", "hf:OWNER/REPO"),
        ("/dev/zero", "is not a regular file", "confspec models"),
        ("fifo.gguf", "is not a regular file", "confspec models"),
    ],
)
def test_what_cannot_be_a_model_is_a_sentence_with_a_command(monkeypatch, tmp_path, text, says, hint):
    monkeypatch.chdir(tmp_path)
    os.mkfifo("fifo.gguf")
    (tmp_path / "-x.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConfspecError, match=says) as caught:
        resolve(text)
    assert hint in caught.value.hint


def test_a_repository_of_very_many_files_is_told_in_short():
    listed = [Listed(f"model-{n}.gguf", 1, "0" * 64) for n in range(1000)]
    with pytest.raises(ModelMissing, match=r"it has (model-\d+\.gguf, ){19}model-\d+\.gguf and 980 more\."):
        chosen_of("owner/name", listed, "Q8_0", None)
