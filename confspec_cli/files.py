"""Text files read with an explanation, and files written whole or not at all.

Knows files and their errors; refuses to know what is in them.
"""

from __future__ import annotations

import codecs
import os
import secrets
import shlex
import stat
from pathlib import Path

from confspec_cli.errors import StorageError, UsageError

MAX_TEXT_BYTES = 64 << 20
"""The most that is read of a file a person names: a device or a pipe may have no end."""


def read_text(path: Path, hint: str = "", limit: int = MAX_TEXT_BYTES) -> str:
    """The UTF-8 text of a file, without a byte order mark and with the line ends of Unix.

    Raises UsageError where the file cannot be read, is longer than `limit` bytes, or is not UTF-8; `hint` goes with it.
    """
    name = shlex.quote(str(path))
    try:
        with path.open("rb") as stream:
            raw = stream.read(limit + 1)
    except FileNotFoundError:
        raise UsageError(f"No such file: {path}.", hint or listing_near(path)) from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the path
        reason = error.strerror if isinstance(error, OSError) else error
        raise UsageError(f"Cannot read {path}: {reason}.", hint or f"ls -l {name}") from error
    if len(raw) > limit:
        raise UsageError(f"{path} is longer than {limit / (1 << 20):.0f} MiB.", hint or f"head -c {limit} {name}")
    return decode(raw, str(path), name)


def listing_near(path: Path) -> str:
    """The command that shows what there is where a file is not."""
    near = path.parent
    return f"ls {shlex.quote(str(near))}" if near != Path() and near.is_dir() else "ls"


def decode(raw: bytes, name: str, source: str = "FILE", then: str = "") -> str:
    """Bytes as UTF-8 text, as `read_text` gives it.

    Raises UsageError, with the first byte that is not text and a command that makes it UTF-8: of `source`, and `then`
    what to do with it.
    """
    at = raw.find(b"\0")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        at = error.start
    if at < 0:
        return text.replace("\r\n", "\n").replace("\r", "\n")
    encoding = _encoding(raw)
    hint = f"iconv -f {encoding} -t UTF-8 {source}{then}" if encoding else f"file {source}   # shows what it is"
    raise UsageError(f"{name} is not UTF-8 text: byte {raw[at]:#04x} at offset {at}.", hint)


def check_unicode(text: str, name: str) -> None:
    """Raises UsageError where a text cannot be encoded: JSON can spell half of a surrogate pair, as "\\ud800"."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise UsageError(f"{name} holds half of a surrogate pair ({half}), which is not a character.") from None


def _encoding(raw: bytes) -> str:
    """The encoding that bytes which are not UTF-8 most likely have, by the name iconv has for it; empty for no text."""
    if raw.startswith((codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE)):
        return "UTF-32"
    if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "UTF-16"
    start = raw[:4096]
    if b"\0" in start:
        even, odd = start[::2].count(0), start[1::2].count(0)
        if min(even, odd) * 10 > max(even, odd) or max(even, odd) * 4 < len(start) // 2:
            return ""
        return "UTF-16LE" if odd > even else "UTF-16BE"
    return "CP1252" if any(0x80 <= byte < 0xA0 for byte in raw) else "LATIN1"


def make_private_folder(folder: Path) -> None:
    """Make a folder, and those above it that are not there, for this user alone whatever the umask. Raises OSError."""
    for one in reversed(folder.parents):
        if not one.exists():
            one.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)


def write_atomically(path: Path, content: str | bytes, mode: int = 0o666) -> None:
    """Replace a file, or create it: whoever reads it sees all of the old content or all of the new.

    A link stays a link, and an existing file keeps its mode; `mode`, less the umask, is that of a new one. What is no
    regular file, such as /dev/stdout, is written to directly. Raises StorageError.
    """
    raw = content.encode() if isinstance(content, str) else content
    target = path
    try:
        if path.exists() and not path.is_file():
            with path.open("wb") as stream:
                stream.write(raw)
            return
        target = Path(os.path.realpath(path))
        temporary = target.with_name(f".confspec-{secrets.token_hex(8)}.new")
        try:
            with os.fdopen(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as stream:
                stream.write(raw)
                stream.flush()
                os.fsync(stream.fileno())
            if target.exists():
                temporary.chmod(stat.S_IMODE(target.stat().st_mode))
            temporary.replace(target)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
    except OSError as error:
        raise StorageError(
            f"Cannot write {path}: {error.strerror or error}.", f"ls -ld {shlex.quote(str(target.parent))}"
        ) from error
