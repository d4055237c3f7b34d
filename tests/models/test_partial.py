"""Files on their way here: whole and as pinned or not at all, gone on with after any interruption, by one at a time."""

import errno
import os
import shutil
import threading
import time

import pytest
from support.model_sources import Recorder, names_in, pinned, sha256

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models.partial import adding, begun, part_of

FILE = pinned(b"onetwo")


def bring(folder, *blocks, file=FILE, watch=None):
    """Add blocks to the part of the file, and put it in its place."""
    with adding(folder, file, watch or Recorder()) as part:
        for block in blocks:
            part.stream.write(block() if callable(block) else block)
        return part.arrive(folder / file.name, Recorder(), "nowhere")


def raising(error):
    def block():
        raise error

    return block


def test_a_file_arrives_whole_and_alone(tmp_path):
    folder = tmp_path / "new" / "folder"
    assert bring(folder, b"one", b"two").read_bytes() == b"onetwo"
    assert names_in(folder) == ["tiny.gguf"]


@pytest.mark.parametrize(
    ("blocks", "says"),
    [
        ([b"one"], "has 3 instead of 6 bytes"),
        ([b"one", b"two", b"three"], "has more than 6 bytes"),
        ([b"two", b"one"], f"from nowhere is not the pinned file: its sha256 is {sha256(b'twoone')}"),
    ],
)
def test_other_bytes_than_the_pinned_ones_do_not_arrive_and_are_dropped(tmp_path, blocks, says):
    with pytest.raises(StorageError, match=says):
        bring(tmp_path, *blocks)
    assert names_in(tmp_path) == []


@pytest.mark.parametrize("error", [KeyboardInterrupt(), DownloadError("gone"), ConnectionResetError(), OSError(5, "")])
def test_what_breaks_off_is_kept_and_gone_on_with(tmp_path, error):
    with pytest.raises(StorageError if type(error) is OSError else type(error)):
        bring(tmp_path, b"one", raising(error))
    assert begun(tmp_path, FILE) == 3
    assert not (tmp_path / "tiny.gguf").exists()
    assert bring(tmp_path, b"two").read_bytes() == b"onetwo"
    assert names_in(tmp_path) == ["tiny.gguf"]


def test_nothing_is_kept_of_what_never_began(tmp_path):
    with pytest.raises(DownloadError):
        bring(tmp_path, raising(DownloadError("gone")))
    assert names_in(tmp_path) == []


def test_what_was_written_after_the_last_mark_is_dropped(tmp_path):
    with pytest.raises(KeyboardInterrupt), adding(tmp_path, FILE, Recorder()) as part:
        assert part.marks() == []
        part.stream.write(b"one")
        part.mark()
        part.stream.write(b"tw")
        part.stream.flush()
        raise KeyboardInterrupt
    marks = part_of(tmp_path, FILE).with_name(part_of(tmp_path, FILE).name + ".marks")
    marks.write_text(marks.read_text() + "6")  # cut off while it was written
    with adding(tmp_path, FILE, Recorder()) as part:
        assert part.marks() == [3]
        assert part.size == 3


def test_two_pulls_of_a_file_take_turns_and_both_are_told_the_truth(tmp_path):
    watch = Recorder()
    order: list[tuple[object, ...]] = []

    def other():
        with adding(tmp_path, FILE, watch) as part:
            order.append(("other", part.size, (tmp_path / "tiny.gguf").exists()))

    with adding(tmp_path, FILE, Recorder()) as part:
        part.stream.write(b"onetwo")
        thread = threading.Thread(target=other)
        thread.start()
        deadline = time.monotonic() + 10
        while not watch.warnings and time.monotonic() < deadline:
            time.sleep(0.01)
        order.append(("first", part.size))
        part.arrive(tmp_path / "tiny.gguf", Recorder(), "nowhere")
    thread.join()
    assert order == [("first", 6), ("other", 0, True)]
    assert watch.warnings == ["another confspec is downloading tiny.gguf; waiting for it."]
    assert (tmp_path / "tiny.gguf").read_bytes() == b"onetwo"


def test_a_disk_without_the_room_is_told_before_the_first_byte(tmp_path, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10, 5, 5))
    with pytest.raises(StorageError, match="nothing was written") as caught:
        bring(tmp_path / "new", raising(AssertionError("asked")))
    assert "CONFSPEC_MODELS" in caught.value.hint


def test_a_file_that_was_there_stays_until_the_new_one_is_whole(tmp_path):
    (tmp_path / "tiny.gguf").write_bytes(b"old")
    with pytest.raises(StorageError):
        bring(tmp_path, b"one")
    assert (tmp_path / "tiny.gguf").read_bytes() == b"old"


@pytest.mark.parametrize(
    ("code", "says"),
    [
        (errno.ENOSPC, "No space is left on the disk of "),
        (errno.EDQUOT, "No space is left on the disk of "),
        (errno.EROFS, "read-only, or not writable for this user"),
        (errno.EIO, "Input/output error"),
    ],
)
def test_a_disk_that_fails_is_explained(tmp_path, code, says):
    with pytest.raises(StorageError, match=says) as caught:
        bring(tmp_path, b"one", raising(OSError(code, os.strerror(code))))
    assert "CONFSPEC_MODELS" in caught.value.hint


def test_a_folder_that_cannot_be_is_told_before_anything_is_downloaded(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(StorageError, match="Not a directory"):
        bring(tmp_path / "file" / "folder", raising(AssertionError("downloaded")))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_of_someone_else_is_explained(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(StorageError, match="not open to this user"):
        bring(tmp_path, b"onetwo")


def test_others_may_read_what_arrives(tmp_path):
    (tmp_path / "plain").write_bytes(b"")
    assert bring(tmp_path, b"onetwo").stat().st_mode == (tmp_path / "plain").stat().st_mode


@pytest.mark.parametrize("beside", ["", ".marks"])
@pytest.mark.parametrize("make", ["link", "dangling", "hard link", "fifo"])
def test_what_others_planted_in_the_place_of_a_part_is_refused(tmp_path, beside, make):
    victim, folder = tmp_path / "victim", tmp_path / "shared"
    victim.write_bytes(b"precious")
    folder.mkdir()
    planted = part_of(folder, FILE).with_name(part_of(folder, FILE).name + beside)
    if make == "fifo":
        os.mkfifo(planted)
    elif make == "hard link":
        planted.hardlink_to(victim)
    else:
        planted.symlink_to(victim if make == "link" else tmp_path / "made")
    with pytest.raises(StorageError, match="is a link or a device") as caught, adding(folder, FILE, Recorder()) as part:
        part.stream.write(b"one")
        part.mark()
    assert caught.value.hint == f"rm {planted}"
    assert victim.read_bytes() == b"precious"
    assert not (tmp_path / "made").exists()
