"""Model files: where they are found, and how they get there whole, as pinned, or not at all."""

import errno
import os

import pytest
from sources import Recorder, names_in, pinned, sha256

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models.base import ModelFile, PathSource, arrive
from confspec_cli.models.registry import Model
from confspec_cli.models.store import Store

CONTENT = b"weights" * 1000


def model(*files):
    return Model("tiny", files)


def at(path, content=CONTENT):
    """A path source with this content at its end."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return PathSource(path)


def arriving(*blocks):
    yield from blocks


# Finding


def test_a_file_of_the_right_size_in_the_folder_is_here(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(CONTENT)
    assert Store(tmp_path).find(model(pinned(CONTENT, PathSource(tmp_path / "no")))) == [tmp_path / "tiny.gguf"]


def test_a_file_of_another_size_is_not(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(CONTENT[:-1])
    assert Store(tmp_path).find(model(pinned(CONTENT, PathSource(tmp_path / "no")))) is None


def test_a_path_is_used_in_place(tmp_path):
    source = at(tmp_path / "elsewhere" / "other-name.gguf")
    assert Store(tmp_path / "store").find(model(pinned(CONTENT, source))) == [source.path]


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
    paths = Store(tmp_path).pull(model(pinned(CONTENT, PathSource(tmp_path / "no"))), watch)
    assert paths == [tmp_path / "tiny.gguf"]
    assert watch.ended == [("tiny.gguf", tmp_path / "tiny.gguf", False)]
    assert watch.begun == []


def test_a_path_is_checked_when_pulled(tmp_path):
    watch = Recorder()
    source = at(tmp_path / "x.gguf")
    assert Store(tmp_path / "store").pull(model(pinned(CONTENT, source)), watch) == [source.path]
    assert watch.begun == ["checking"]
    assert watch.done[-1] == len(CONTENT)


def test_the_next_source_is_tried_and_what_the_first_said_is_passed_on(tmp_path):
    missing, there = PathSource(tmp_path / "missing.gguf"), at(tmp_path / "there.gguf", CONTENT)
    bad = at(tmp_path / "bad.gguf", CONTENT[::-1])
    watch = Recorder()
    file = pinned(CONTENT, missing, bad, there)
    assert Store(tmp_path / "store").pull(model(file), watch) == [there.path]
    [warning] = watch.warnings
    assert f"from {bad.path} is not the pinned file" in warning
    assert warning.endswith(f"Trying {there.path}.")


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
    assert "missing.gguf is not there." in str(caught.value)
    assert "bad.gguf is not the pinned file" in str(caught.value)


def test_when_nothing_is_anywhere_it_is_no_fault_of_the_disk(tmp_path):
    file = pinned(CONTENT, PathSource(tmp_path / "a"), PathSource(tmp_path / "b"))
    with pytest.raises(DownloadError, match=r"No source of tiny\.gguf would do"):
        Store(tmp_path / "store").pull(model(file), Recorder())


# Arriving


def test_a_file_arrives_whole_and_alone(tmp_path):
    folder = tmp_path / "new" / "folder"
    path = arrive(folder, pinned(b"onetwo"), arriving(b"one", b"two"), "nowhere")
    assert path.read_bytes() == b"onetwo"
    assert names_in(folder) == ["tiny.gguf"]


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([b"one"], "has 3 instead of 6 bytes"),
        ([b"one", b"two", b"three"], "has more than 6 bytes"),
        ([b"two", b"one"], f"its sha256 is {sha256(b'twoone')}"),
    ],
)
def test_other_bytes_than_the_pinned_ones_do_not_arrive(tmp_path, blocks, says):
    with pytest.raises(StorageError, match=says):
        arrive(tmp_path, pinned(b"onetwo"), arriving(*blocks), "nowhere")
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DownloadError("gone")])
def test_nothing_is_left_of_a_file_that_breaks_off(tmp_path, error):
    closed = []

    def broken():
        try:
            yield b"one"
            raise error
        finally:
            closed.append(True)

    with pytest.raises(type(error)):
        arrive(tmp_path, pinned(b"onetwo"), broken(), "nowhere")
    assert names_in(tmp_path) == []
    assert closed == [True]


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(b"old")
    with pytest.raises(StorageError):
        arrive(tmp_path, pinned(b"onetwo"), arriving(b"one"), "nowhere")
    assert (tmp_path / "tiny.gguf").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "No space is left on the disk of "),
        (errno.EDQUOT, "No space is left on the disk of "),
        (errno.EROFS, "not open to this user, or read-only"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_fails_is_explained(tmp_path, code, says):
    def failing():
        yield b"one"
        raise OSError(code, os.strerror(code))

    with pytest.raises(StorageError, match=says) as caught:
        arrive(tmp_path, pinned(b"onetwo"), failing(), "nowhere")
    assert "CONFSPEC_MODELS" in caught.value.hint
    assert names_in(tmp_path) == []


def test_a_folder_that_cannot_be_is_told_before_anything_is_downloaded(tmp_path):
    (tmp_path / "file").write_bytes(b"")

    def untouched():
        raise AssertionError("downloaded")
        yield b""

    with pytest.raises(StorageError, match="Not a directory"):
        arrive(tmp_path / "file" / "folder", pinned(b"onetwo"), untouched(), "nowhere")


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_someone_else_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="not open to this user"):
        arrive(tmp_path, pinned(b"onetwo"), arriving(b"onetwo"), "nowhere")


def test_others_may_read_what_arrives(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    path = arrive(tmp_path, pinned(b"onetwo"), arriving(b"onetwo"), "nowhere")
    assert path.stat().st_mode == (tmp_path / "plain").stat().st_mode
