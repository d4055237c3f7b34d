"""Files read with an explanation, and written whole or not at all."""

import os
import stat

import pytest

from confspec_cli.errors import StorageError, UsageError
from confspec_cli.files import check_unicode, decode, make_private_folder, read_text, write_atomically


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_byte_order_mark_is_no_part_of_the_text(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"\xef\xbb\xbfgr\xc3\xbc\xc3\x9fe")
    assert read_text(tmp_path / "a.txt") == "grüße"


def test_what_is_not_utf8_is_named_by_its_first_wrong_byte(tmp_path):
    (tmp_path / "a b.txt").write_bytes(b"gr\xfc\xdfe")
    with pytest.raises(UsageError, match=r"is not UTF-8 text: byte 0xfc at offset 2\.") as caught:
        read_text(tmp_path / "a b.txt")
    assert caught.value.hint.endswith(f"'{tmp_path / 'a b.txt'}'")


@pytest.mark.parametrize(
    ("raw", "hint"),
    [
        ("café".encode("latin-1"), "iconv -f LATIN1 -t UTF-8 notes"),
        ("“café”".encode("cp1252"), "iconv -f CP1252 -t UTF-8 notes"),
        ("What?".encode("utf-16"), "iconv -f UTF-16 -t UTF-8 notes"),
        ("What?".encode("utf-16-le"), "iconv -f UTF-16LE -t UTF-8 notes"),
        ("What?".encode("utf-16-be"), "iconv -f UTF-16BE -t UTF-8 notes"),
        ("What?".encode("utf-32"), "iconv -f UTF-32 -t UTF-8 notes"),
        (b"GGUF\x03\0\0\0\x01\0\0\0\0\0\0\0\xff\xfe", "file notes"),
    ],
)
def test_the_hint_names_the_encoding_that_the_bytes_most_likely_have(raw, hint):
    with pytest.raises(UsageError, match="notes is not UTF-8 text") as refused:
        decode(raw, "notes", "notes")
    assert refused.value.hint.startswith(hint)


def test_half_a_surrogate_pair_is_no_text():
    check_unicode("é🎉", "The prompt")
    with pytest.raises(UsageError, match=r"The prompt holds half of a surrogate pair \(U\+D800\)"):
        check_unicode("a\ud800", "The prompt")


def test_a_file_that_is_not_there_or_is_a_folder_is_a_sentence(tmp_path):
    with pytest.raises(UsageError, match="No such file:") as caught:
        read_text(tmp_path / "none", "confspec bench FILE")
    assert caught.value.hint == "confspec bench FILE"
    with pytest.raises(UsageError, match="Is a directory"):
        read_text(tmp_path)
    with pytest.raises(UsageError, match="null"):
        read_text(tmp_path / "a\0b")


def test_a_file_without_end_is_read_to_the_limit_and_refused(tmp_path):
    (tmp_path / "endless").symlink_to("/dev/zero")
    with pytest.raises(UsageError, match="longer than 1 MiB"):
        read_text(tmp_path / "endless", limit=1 << 20)


def test_a_new_file_has_the_mode_asked_for_and_an_old_one_keeps_its_own(tmp_path):
    write_atomically(tmp_path / "private", "a", mode=0o600)
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o600
    (tmp_path / "private").chmod(0o640)
    write_atomically(tmp_path / "private", "b")
    assert stat.S_IMODE((tmp_path / "private").stat().st_mode) == 0o640
    assert (tmp_path / "private").read_text() == "b"


def test_a_link_stays_a_link_and_the_new_file_is_made_beside_what_it_points_to(tmp_path, monkeypatch):
    (tmp_path / "far").mkdir()
    (tmp_path / "near").mkdir()
    (tmp_path / "far" / "real").write_text("old")
    (tmp_path / "near" / "link").symlink_to(tmp_path / "far" / "real")
    made = []
    opened = os.open
    monkeypatch.setattr(os, "open", lambda path, *rest: made.append(str(path)) or opened(path, *rest))
    write_atomically(tmp_path / "near" / "link", "new")
    assert (tmp_path / "near" / "link").is_symlink()
    assert (tmp_path / "far" / "real").read_text() == "new"
    assert len(made) == 1
    assert made[0].startswith(str(tmp_path / "far"))


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    (tmp_path / "a").write_text("old")

    def full(_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StorageError, match=r"Cannot write .*a: No space left on device\."):
        write_atomically(tmp_path / "a", "new")
    assert (tmp_path / "a").read_text() == "old"
    assert names_in(tmp_path) == ["a"]


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    (tmp_path / "null").symlink_to("/dev/null")
    write_atomically(tmp_path / "null", "gone")
    assert (tmp_path / "null").is_symlink()
    assert not (tmp_path / "null").is_file()


def test_private_folders_are_private_whatever_the_umask(tmp_path):
    before = os.umask(0)
    try:
        make_private_folder(tmp_path / "one" / "two")
        make_private_folder(tmp_path / "one" / "two")
    finally:
        os.umask(before)
    assert [path.stat().st_mode & 0o777 for path in (tmp_path / "one", tmp_path / "one" / "two")] == [0o700, 0o700]
    (tmp_path / "file").write_text("")
    with pytest.raises(FileExistsError):
        make_private_folder(tmp_path / "file")
