"""Model files: where they are found, and how they get there whole, as pinned, or not at all."""

import pytest
from support.model_sources import Recorder, pinned

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models.registry import Model
from confspec_cli.models.sources import ModelFile, PackagesSource, PathSource
from confspec_cli.models.store import Store

CONTENT = b"weights" * 1000
ELSEWHERE = PackagesSource("none-such", "1", "member")


def model(*files):
    return Model("tiny", files)


def at(path, content=CONTENT):
    """A path source with this content at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return PathSource(path)


# Finding


def test_a_file_of_the_right_size_in_the_folder_is_here(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(CONTENT)
    assert Store(tmp_path).find(model(pinned(CONTENT, ELSEWHERE))) == [tmp_path / "tiny.gguf"]


def test_a_file_of_another_size_is_not(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(CONTENT[:-1])
    assert Store(tmp_path).find(model(pinned(CONTENT, ELSEWHERE))) is None


def test_a_path_is_used_in_place(tmp_path):
    source = at(tmp_path / "elsewhere" / "other-name.gguf")
    assert Store(tmp_path / "store").find(model(pinned(CONTENT, source))) == [source.path]


def test_a_path_is_never_mistaken_for_a_file_of_the_store_by_its_name(tmp_path):
    source = at(tmp_path / "mine" / "model.gguf", b"mine")
    at(tmp_path / "store" / "model.gguf", b"another")
    file = ModelFile("model.gguf", (source,))
    assert Store(tmp_path / "store").find(model(file)) == [source.path]


def test_a_file_that_is_not_pinned_is_here_whatever_its_size(tmp_path):
    source = at(tmp_path / "mine.gguf", b"x")
    assert Store(tmp_path / "store").find(model(ModelFile("mine.gguf", (source,)))) == [source.path]


def test_a_model_is_here_when_all_its_files_are(tmp_path):
    first = pinned(CONTENT, at(tmp_path / "1.gguf"), name="1.gguf")
    second = pinned(b"more", PathSource(tmp_path / "2.gguf"), name="2.gguf")
    store = Store(tmp_path / "store")
    assert store.find(model(first, second)) is None
    (tmp_path / "2.gguf").write_bytes(b"more")
    assert store.find(model(first, second)) == [tmp_path / "1.gguf", tmp_path / "2.gguf"]


def test_parts_in_different_folders_are_no_model(tmp_path):
    parts = [pinned(CONTENT, at(tmp_path / n / f"{n}.gguf"), name=f"{n}.gguf") for n in ("a", "b")]
    store = Store(tmp_path / "store")
    assert store.find(model(*parts)) is None
    with pytest.raises(StorageError, match="different folders"):
        store.pull(model(*parts), Recorder())


# Pulling


def test_what_is_in_the_folder_is_not_pulled_again(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(CONTENT)
    watch = Recorder()
    paths = Store(tmp_path).pull(model(pinned(CONTENT, ELSEWHERE)), watch)
    assert paths == [tmp_path / "tiny.gguf"]
    assert watch.ended == [("tiny.gguf", tmp_path / "tiny.gguf", False)]
    assert watch.begun == ["checking"]
    again = Recorder()
    Store(tmp_path).pull(model(pinned(CONTENT, ELSEWHERE)), again)
    assert again.ended == watch.ended
    assert again.begun == []


def test_a_path_is_checked_when_pulled(tmp_path):
    watch = Recorder()
    source = at(tmp_path / "x.gguf")
    assert Store(tmp_path / "store").pull(model(pinned(CONTENT, source)), watch) == [source.path]
    assert watch.begun == ["checking"]
    assert watch.done[-1] == len(CONTENT)


def test_the_first_place_that_has_the_pinned_bytes_is_used(tmp_path):
    missing, there = PathSource(tmp_path / "missing.gguf"), at(tmp_path / "there.gguf", CONTENT)
    bad = at(tmp_path / "bad.gguf", CONTENT[::-1])
    watch = Recorder()
    file = pinned(CONTENT, missing, bad, there)
    assert Store(tmp_path / "store").pull(model(file), watch) == [there.path]
    assert watch.ended == [("tiny.gguf", there.path, False)]
    assert bad.path.exists()


def test_a_file_of_the_users_is_left_alone_even_when_it_is_not_the_pinned_one(tmp_path):
    bad = at(tmp_path / "bad.gguf", CONTENT[::-1])
    with pytest.raises(StorageError, match="is not the pinned file: its sha256 is"):
        Store(tmp_path / "store").pull(model(pinned(CONTENT, bad)), Recorder())
    assert bad.path.exists()


def test_when_no_source_will_do_all_are_heard(tmp_path):
    bad = at(tmp_path / "bad.gguf", CONTENT[::-1])
    file = pinned(CONTENT, PathSource(tmp_path / "missing.gguf"), bad)
    with pytest.raises(StorageError) as caught:
        Store(tmp_path / "store").pull(model(file), Recorder())
    assert "No such file:" in str(caught.value)
    assert "bad.gguf is not the pinned file" in str(caught.value)


def test_when_nothing_is_anywhere_it_is_no_fault_of_the_disk(tmp_path):
    file = pinned(CONTENT, PathSource(tmp_path / "a"), PathSource(tmp_path / "b"))
    with pytest.raises(DownloadError, match=r"No source has tiny\.gguf as pinned"):
        Store(tmp_path / "store").pull(model(file), Recorder())
