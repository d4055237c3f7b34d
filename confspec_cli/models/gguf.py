"""The header of a GGUF file, read without trusting it: its metadata, and where its tensors say they lie.

A model may be split into several files, which are read as one.

Source: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Every count and length is held against what is left
of the file before anything is made of it, and `check` refuses what llama.cpp would not survive. Knows bytes; refuses to
know llama.cpp.
"""

from __future__ import annotations

import math
import mmap
import re
import stat
import struct
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TypeVar

from confspec_cli.errors import EngineError, UsageError
from confspec_cli.models.byte_reader import DAMAGED_HINT, ByteReader
from confspec_cli.models.quants import BLOCKS

Part = TypeVar("Part")
Value = int | float | bool | str | tuple["int | float | bool | str", ...]

_FORMATS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY = 8, 9
_KEPT = 4096  # elements of an array that are kept; of a longer one, as the vocabulary, only the length is
_LONGEST_KEY, _LONGEST_NAME, _MOST_DIMENSIONS, _MOST_LAYERS = 65535, 63, 4, 512
_TOKENS = "tokenizer.ggml.tokens"
_PART = re.compile(r"(?P<stem>.+)-(?P<n>\d{5})-of-(?P<count>\d{5})\.gguf")


@dataclass(frozen=True, slots=True)
class Tensor:
    """One tensor: its `shape` in elements, the fastest first, its type, and its `offset` after the header, in bytes."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @property
    def elements(self) -> int:
        """How many numbers it holds."""
        return math.prod(self.shape)

    @property
    def bytes(self) -> int:
        """How long it is in the file."""
        _, size, block = BLOCKS[self.kind]
        return self.elements // block * size


@dataclass(frozen=True, slots=True)
class Header:
    """What the header of a file says. `lengths` are those of the arrays; at `data`, in bytes, its own tensors begin."""

    path: Path
    size: int
    version: int
    values: Mapping[str, Value]
    lengths: Mapping[str, int]
    tensors: tuple[Tensor, ...]
    data: int

    @property
    def architecture(self) -> str:
        """As "qwen2"; empty where it is not said."""
        return str(self.values.get("general.architecture", ""))

    def of(self, key: str) -> Value | None:
        """A value of the architecture, as `block_count`."""
        return self.values.get(f"{self.architecture}.{key}")

    def number(self, key: str) -> int:
        """The same where it must be a whole number, the largest of several; 0 where there is none."""
        value = self.of(key)
        if isinstance(value, tuple):
            value = max((one for one in value if isinstance(one, int)), default=0)
        return value if isinstance(value, int) else 0


def parts(path: Path) -> list[Path]:
    """The files of a model by the name of one of them, in order: several where the name says so, here or not."""
    part = _PART.fullmatch(path.name)
    count = int(part["count"]) if part else 0
    names = [f"{part['stem']}-{n:05}-of-{count:05}.gguf" for n in range(1, count + 1)] if part else []
    return [path.with_name(name) for name in names] if path.name in names else [path]


def read(path: Path) -> Header:
    """The header of a model by its first file: the values of that, the tensors of all.

    Raises UsageError where there is none, EngineError for what is no GGUF or a damaged one.
    """
    first = _read(path, _header)
    count = first.values.get("split.count", 0)
    if not isinstance(count, int) or count < 2:
        return first
    files = parts(path)
    if len(files) != count or files[0] != path:
        named = f"-00001-of-{count:05}.gguf"
        raise EngineError(f"{path} is not the first of {count} parts of a model: its name does not end in {named}.")
    headers = [first, *(_read(file, _header) for file in files[1:])]
    tensors = tuple(tensor for header in headers for tensor in header.tensors)
    return replace(first, size=sum(header.size for header in headers), tensors=tensors)


def context_length(path: Path) -> int | None:
    """The context a model was trained for, in tokens; read no further than to there, which is before the vocabulary.

    Raises what `read` raises.
    """
    return _read(path, _context_length)


def _read(path: Path, part: Callable[[ByteReader], Part]) -> Part:
    try:
        mode = path.stat().st_mode
        if not stat.S_ISREG(mode):  # opening a pipe would wait for whoever writes to it
            raise EngineError(f"{path} is {'a folder' if stat.S_ISDIR(mode) else 'no regular file'}, not a GGUF file.")
        with path.open("rb") as file:
            if file.read(4) != b"GGUF":
                raise EngineError(f"{path} is not a GGUF file.", "confspec models   # lists models by name")
            with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
                return part(ByteReader(data, path))
    except FileNotFoundError:
        raise UsageError(f"No such file: {path}.", "confspec models   # lists models by name") from None
    except OSError as problem:
        raise EngineError(f"{path} cannot be read: {problem.strerror or problem}.") from problem


def check(header: Header) -> None:
    """Raises EngineError for a file whose names, sizes or vocabulary cannot be true: it might end llama.cpp."""
    path = header.path
    if not header.architecture:
        raise EngineError(f"{path} does not say what kind of model it is.", DAMAGED_HINT)
    names = {tensor.name for tensor in header.tensors}
    if len(names) < len(header.tensors) or not names:
        raise EngineError(f"{path} is damaged: its table of tensors is empty, or names one twice.", DAMAGED_HINT)
    for key, most in (("block_count", _MOST_LAYERS), ("embedding_length", 1 << 20), ("context_length", 1 << 31)):
        if not 0 < header.number(key) <= most:
            raise EngineError(f"{path} is damaged: {key} is {header.of(key)}.", DAMAGED_HINT)
    for key, value in header.values.items():
        if isinstance(value, float) and (math.isnan(value) or (key.endswith("_epsilon") and not 0 <= value < math.inf)):
            raise EngineError(f"{path} is damaged: {key} is {value}.", DAMAGED_HINT)
    _check_vocabulary(header)


def _check_vocabulary(header: Header) -> None:
    words = header.lengths.get(_TOKENS, 0)
    for key in ("scores", "token_type"):
        length = header.lengths.get(f"tokenizer.ggml.{key}", words)
        if length != words:
            raise EngineError(f"{header.path} is damaged: it has {words} tokens, but {length} of {key}.", DAMAGED_HINT)
    table = next((tensor for tensor in header.tensors if tensor.name == "token_embd.weight"), None)
    if words and table is not None and (len(table.shape) < 2 or table.shape[1] < words):
        raise EngineError(
            f"{header.path} is damaged: it has {words} tokens, and no weights for all of them.", DAMAGED_HINT
        )


def _counts(reader: ByteReader) -> tuple[int, int, int]:
    """The version, and how many tensors and values there are. Raises EngineError for a version nobody reads here."""
    reader.take(4)
    version = int(reader.number("I"))
    if version and not version & 0xFFFF:
        raise EngineError(f"{reader.path} is a big-endian GGUF file; only little-endian ones can be read here.")
    if version not in (2, 3):
        raise EngineError(f"{reader.path} is a GGUF file of version {version}, which cannot be read here.")
    return version, reader.count(24), reader.count(13)


def _values(reader: ByteReader, count: int) -> Iterator[tuple[str, Value | None, int | None]]:
    """So many keys, each with its value and, of an array, its length."""
    for _ in range(count):
        key = reader.text(_LONGEST_KEY)
        value, length = _value(reader, key, int(reader.number("I")))
        yield key, value, length


def _context_length(reader: ByteReader) -> int | None:
    _, _, count = _counts(reader)
    found = (value for key, value, _ in _values(reader, count) if key.endswith(".context_length"))
    value = next(found, None)
    return value if isinstance(value, int) else None


def _header(reader: ByteReader) -> Header:
    version, tensor_count, value_count = _counts(reader)
    values: dict[str, Value] = {}
    lengths: dict[str, int] = {}
    for key, value, length in _values(reader, value_count):
        if key in values or key in lengths:
            raise reader.damaged(f"it says {key} twice")
        if length is not None:
            lengths[key] = length
        if value is not None:
            values[key] = value
    tensors = tuple(_tensor(reader) for _ in range(tensor_count))
    alignment = values.get("general.alignment", 32)
    if not isinstance(alignment, int) or alignment < 8 or alignment & (alignment - 1):
        raise reader.damaged(f"its alignment is {alignment}")
    if any(tensor.offset % alignment for tensor in tensors):
        raise reader.damaged("a tensor does not begin where one can")
    data = -(-reader.at // alignment) * alignment
    for tensor in tensors:
        if data + tensor.offset + tensor.bytes > reader.end:
            raise EngineError(f"{reader.path} is not whole: {tensor.name} lies beyond its end.", DAMAGED_HINT)
    return Header(reader.path, reader.end, version, values, lengths, tensors, data)


def _value(reader: ByteReader, key: str, kind: int) -> tuple[Value | None, int | None]:
    """A value, and the length of an array; a long array is passed over."""
    if kind == _STRING:
        return reader.text(), None
    if kind in _FORMATS:
        return reader.number(_FORMATS[kind]), None
    if kind != _ARRAY:
        raise reader.damaged(f"there is no value of type {kind}")
    inner = int(reader.number("I"))
    if inner == _STRING:
        count = reader.count(8)
        texts = reader.texts(count)
        if key == _TOKENS and (len(set(texts)) < count or any(b"\0" in text for text in texts)):
            raise reader.damaged("it has a token twice, or a NUL in one")
        return tuple(text.decode("utf-8", "replace") for text in texts) if count <= _KEPT else None, count
    if inner not in _FORMATS:
        raise reader.damaged(f"there is no array of type {inner}")
    size = struct.calcsize("<" + _FORMATS[inner])
    count = reader.count(size)
    data = reader.take(count * size)
    return struct.unpack(f"<{count}{_FORMATS[inner]}", data) if count <= _KEPT else None, count


def _tensor(reader: ByteReader) -> Tensor:
    name = reader.text(_LONGEST_NAME)
    dimensions = int(reader.number("I"))
    if not 0 < dimensions <= _MOST_DIMENSIONS:
        raise reader.damaged(f"{name} has {dimensions} dimensions")
    shape = tuple(int(reader.number("Q")) for _ in range(dimensions))
    kind, offset = int(reader.number("I")), int(reader.number("Q"))
    if kind not in BLOCKS:
        raise EngineError(f"{reader.path} cannot be read: {name} is of type {kind}, which this version does not know.")
    if 0 in shape or math.prod(shape) >= 1 << 62 or offset >= 1 << 62:
        raise reader.damaged(f"{name} has the shape {shape}")
    if shape[0] % BLOCKS[kind][2]:
        raise reader.damaged(f"{name} has rows of {shape[0]}, which are no blocks of {BLOCKS[kind][0]}")
    return Tensor(name, shape, kind, offset)
