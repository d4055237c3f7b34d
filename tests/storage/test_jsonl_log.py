"""Journals: every line whole, one writer at a time, and nothing rewritten but what was cut off."""

import json
import os

import pytest

from confspec_cli.errors import StorageError
from confspec_cli.storage.jsonl_log import JsonlLog


@pytest.fixture
def path(tmp_path):
    return tmp_path / "journal.jsonl"


def test_what_was_appended_is_read_again(path):
    journal = JsonlLog(path)
    assert journal.lines() == []
    journal.append({"a": 1})
    journal.append({"b": "ü\n"}, sync=False)
    assert [json.loads(line) for line in JsonlLog(path).lines()] == [{"a": 1}, {"b": "ü\n"}]
    assert path.read_bytes().isascii()


def test_a_journal_without_lines_makes_no_file(path):
    JsonlLog(path).lines()
    assert not path.exists()


def test_the_file_has_the_mode_asked_for(path):
    JsonlLog(path, mode=0o600).append({})
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_place_a_line_can_be_cut_off_costs_that_line_and_no_other(path):
    whole = b'{"n": 1}\n{"n": 2, "text": "{}"}\n'
    for cut in range(10, len(whole) + 1):
        path.write_bytes(whole[:cut])
        journal = JsonlLog(path)
        kept = [json.loads(line)["n"] for line in journal.lines()]
        assert kept == ([1, 2] if cut >= len(whole) - 1 else [1])
        journal.append({"n": 3})
        journal.close()
        assert [json.loads(line)["n"] for line in path.read_text().splitlines()] == [*kept, 3]


def test_a_first_line_that_was_cut_off_goes(path):
    path.write_bytes(b'{"n"')
    journal = JsonlLog(path)
    assert journal.lines() == []
    journal.append({"n": 1})
    assert path.read_bytes() == b'{"n": 1}\n'


def test_a_block_that_never_reached_the_disk_is_cut_off_too(path):
    path.write_bytes(b'{"n": 1}\n' + b"\0" * 4096)
    journal = JsonlLog(path)
    assert journal.lines() == ['{"n": 1}']
    journal.append({"n": 2})
    assert path.read_bytes() == b'{"n": 1}\n{"n": 2}\n'


def test_two_cannot_write_at_once(path):
    first, second = JsonlLog(path), JsonlLog(path)
    first.append({})
    second.lines()
    with pytest.raises(StorageError, match="in use"):
        second.append({})
    first.close()
    second.append({})
    assert len(second.lines()) == 2


def test_what_another_wrote_since_it_was_read_is_noticed(path):
    first, second = JsonlLog(path), JsonlLog(path)
    first.lines()
    second.append({})
    second.close()
    with pytest.raises(StorageError, match="changed"):
        first.append({})


def test_a_closed_journal_can_be_gone_on_with(path):
    journal = JsonlLog(path)
    journal.append({"n": 1})
    journal.close()
    journal.close()
    journal.append({"n": 2})
    assert len(JsonlLog(path).lines()) == 2


def test_a_full_disk_leaves_whole_lines_and_can_be_tried_again(path, monkeypatch):
    journal = JsonlLog(path)
    journal.append({"n": 1})
    write = os.write

    def full(file, line):
        write(file, line[:3])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(StorageError, match="No space left"):
        journal.append({"n": 2})
    monkeypatch.setattr(os, "write", write)
    journal.append({"n": 3})
    assert path.read_bytes() == b'{"n": 1}\n{"n": 3}\n'


@pytest.mark.parametrize("place", ["missing/file", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=place):
        JsonlLog(tmp_path / place).append({})


def test_a_place_that_cannot_be_read_is_named(tmp_path):
    with pytest.raises(StorageError, match="cannot be read"):
        JsonlLog(tmp_path).lines()
