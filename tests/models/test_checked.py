"""Hashes of files, kept for as long as the files are what they were."""

import os

import pytest
from support.model_sources import Recorder, pinned, sha256

from confspec_cli.errors import StorageError
from confspec_cli.models.checked import Checked
from confspec_cli.models.sources import HubSource

CONTENT = b"weights" * 1000
FILE = pinned(CONTENT, HubSource("owner/name", "main"))


@pytest.fixture
def path(tmp_path):
    file = tmp_path / "tiny.gguf"
    file.write_bytes(CONTENT)
    return file


def test_a_file_is_read_once(tmp_path, path):
    assert Checked(tmp_path).sha256(path) == ""
    first, second = Recorder(), Recorder()
    Checked(tmp_path).verify(path, FILE, first)
    Checked(tmp_path).verify(path, FILE, second)
    assert (first.begun, second.begun) == (["checking"], [])
    assert Checked(tmp_path).sha256(path) == FILE.sha256


def test_a_file_that_was_changed_is_read_again_even_if_its_size_and_time_are_the_same(tmp_path, path):
    Checked(tmp_path).verify(path, FILE, Recorder())
    times = path.stat()
    path.write_bytes(CONTENT[::-1])
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    assert Checked(tmp_path).sha256(path) == ""
    with pytest.raises(StorageError, match="is not the pinned file: its sha256 is"):
        Checked(tmp_path).verify(path, FILE, Recorder())
    assert Checked(tmp_path).sha256(path) == sha256(CONTENT[::-1])


def test_a_link_and_what_it_points_to_are_one_file(tmp_path, path):
    (tmp_path / "link").symlink_to(path)
    Checked(tmp_path).verify(tmp_path / "link", FILE, Recorder())
    assert Checked(tmp_path).sha256(path) == FILE.sha256


@pytest.mark.parametrize(
    "text", ["", "[]", "null", "{", "[" * 100_000, '{"PATH": 3}', '{"PATH": []}', '{"PATH": [1, "x"]}', "\udc80"]
)
def test_what_is_damaged_is_not_believed_and_is_replaced(tmp_path, path, text):
    (tmp_path / ".checked.json").write_bytes(text.replace("PATH", str(path)).encode("utf-8", "surrogateescape"))
    assert Checked(tmp_path).sha256(path) == ""
    Checked(tmp_path).verify(path, FILE, Recorder())
    assert Checked(tmp_path).sha256(path) == FILE.sha256


def test_what_others_may_write_is_not_believed(tmp_path, path):
    Checked(tmp_path).verify(path, FILE, Recorder())
    (tmp_path / ".checked.json").chmod(0o666)
    assert Checked(tmp_path).sha256(path) == ""


def test_files_that_are_gone_are_forgotten(tmp_path, path):
    Checked(tmp_path).remember(path, FILE.sha256)
    (tmp_path / "other").write_bytes(b"x")
    path.unlink()
    Checked(tmp_path).remember(tmp_path / "other", sha256(b"x"))
    assert str(path) not in (tmp_path / ".checked.json").read_text()


def test_a_folder_that_cannot_be_written_to_is_no_obstacle(tmp_path, path):
    (tmp_path / "in the way").write_text("")
    Checked(tmp_path / "in the way").verify(path, FILE, Recorder())
