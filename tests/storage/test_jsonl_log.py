"""Logs: every line whole, one writer at a time, and nothing rewritten but what was cut off."""

import json
import os
import resource
from contextlib import ExitStack, closing

import pytest

from confspec_cli.errors import StorageError
from confspec_cli.storage.jsonl_log import JsonlLog, parsed


@pytest.fixture
def path(tmp_path):
    return tmp_path / "log.jsonl"


@pytest.fixture
def log_at():
    """Makes logs, and closes them when the test is over."""
    with ExitStack() as opened:
        yield lambda path, **more: opened.enter_context(closing(JsonlLog(path, **more)))


def test_what_was_appended_is_read_again(path, log_at):
    log = log_at(path)
    assert log.lines() == []
    log.append({"a": 1})
    log.append({"b": "ü\n"}, sync=False)
    assert [json.loads(line) for line in log_at(path).lines()] == [{"a": 1}, {"b": "ü\n"}]
    assert path.read_bytes().isascii()


def test_a_log_without_lines_makes_no_file(path, log_at):
    log_at(path).lines()
    assert not path.exists()


def test_the_file_has_the_mode_asked_for(path, log_at):
    log_at(path, mode=0o600).append({})
    assert path.stat().st_mode & 0o777 == 0o600


def test_every_place_a_line_can_be_cut_off_costs_that_line_and_no_other(path, log_at):
    whole = b'{"id": 1}\n{"id": 2, "text": "{}"}\n'
    for cut in range(10, len(whole) + 1):
        path.write_bytes(whole[:cut])
        log = log_at(path)
        kept = [json.loads(line)["id"] for line in log.lines()]
        assert kept == ([1, 2] if cut >= len(whole) - 1 else [1])
        log.append({"id": 3})
        log.close()
        assert [json.loads(line)["id"] for line in path.read_text().splitlines()] == [*kept, 3]


def test_a_first_line_that_was_cut_off_goes(path, log_at):
    path.write_bytes(b'{"id": 1, "pro')
    log = log_at(path)
    assert log.lines() == []
    log.append({"id": 1})
    assert path.read_bytes() == b'{"id": 1}\n'


def test_a_block_that_never_reached_the_disk_is_cut_off_too(path, log_at):
    path.write_bytes(b'{"id": 1}\n' + b"\0" * 4096)
    log = log_at(path)
    assert log.lines() == ['{"id": 1}']
    log.append({"id": 2})
    assert path.read_bytes() == b'{"id": 1}\n{"id": 2}\n'


def test_two_cannot_write_at_once(path, log_at):
    first, second = log_at(path), log_at(path)
    first.append({"id": 1})
    second.lines()
    with pytest.raises(StorageError, match="in use"):
        second.append({"id": 1})
    first.close()
    second.append({"id": 1})
    assert len(second.lines()) == 2


def test_what_another_wrote_since_it_was_read_is_noticed(path, log_at):
    first, second = log_at(path), log_at(path)
    first.lines()
    second.append({"id": 1})
    second.close()
    with pytest.raises(StorageError, match="changed"):
        first.append({"id": 1})


def test_a_closed_log_can_be_gone_on_with(path, log_at):
    log = log_at(path)
    log.append({"id": 1})
    log.close()
    log.close()
    log.append({"id": 2})
    assert len(log_at(path).lines()) == 2


def test_a_full_disk_leaves_whole_lines_and_can_be_tried_again(path, log_at):
    log = log_at(path)
    log.append({"id": 1})
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + 3, hard))
    try:
        with pytest.raises(StorageError, match="too large"):
            log.append({"id": 2})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == b'{"id": 1}\n'
    log.append({"id": 3})
    assert path.read_bytes() == b'{"id": 1}\n{"id": 3}\n'


@pytest.mark.parametrize(
    "foreign", [b'[{"id": 1}]', b"-----BEGIN KEY-----", b'{"name": "cut', b"{", b"\0" * 9, b"one\ntwo"]
)
def test_a_file_that_is_not_ours_is_shown_whole_and_never_added_to(path, foreign, log_at):
    path.write_bytes(foreign)
    log = log_at(path)
    assert "\n".join(log.lines()).encode() == foreign
    with pytest.raises(StorageError, match="holds no records of confspec"):
        log.append({"id": 1})
    assert path.read_bytes() == foreign


def test_a_line_nested_too_deep_is_a_value_error_like_any_other():
    with pytest.raises(ValueError, match="nested too deep"):
        parsed("[" * 200_000)


@pytest.mark.parametrize("moment", ["before", "after"])
def test_an_append_that_was_interrupted_can_be_made_again_and_stands_once(path, monkeypatch, moment, log_at):
    log = log_at(path)
    log.append({"id": 1})
    fsync = os.fsync

    def interrupted(file):
        if moment == "after":
            fsync(file)
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        log.append({"id": 2})
    monkeypatch.setattr(os, "fsync", fsync)
    assert log.appended == 1
    log.close()
    log.append({"id": 2})
    assert (log.appended, path.read_bytes()) == (2, b'{"id": 1}\n{"id": 2}\n')


@pytest.mark.parametrize("place", ["missing/file", "folder"])
def test_a_place_that_cannot_be_written_is_named(tmp_path, place, log_at):
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=place):
        log_at(tmp_path / place).append({})


def test_a_place_that_cannot_be_read_is_named(tmp_path, log_at):
    with pytest.raises(StorageError, match="is not a regular file"):
        log_at(tmp_path).lines()
