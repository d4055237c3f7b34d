"""A model of this user quantized anew: into the store whole or not at all, and registered with where it came from."""

from __future__ import annotations

import os
import re
import secrets
import shlex
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from confspec_cli.errors import ModelMissing, UsageError, did_you_mean
from confspec_cli.models import gguf
from confspec_cli.models.partial import room
from confspec_cli.models.quants import BLOCKS, FILE_TYPES, block_of, is_pure
from confspec_cli.models.references import is_reference, resolve
from confspec_cli.models.registry import Model, Registry
from confspec_cli.models.sources import (
    ModelFile,
    PathSource,
    PullProgress,
    QuantizedSource,
    compare,
    pin,
    storage_error,
)
from confspec_cli.models.store import Store

_MIXED = 1.5  # times the size of its usual block: what most matrices of a mixture come to at most
_LARGER = ("output.weight", "token_embd.weight")
_LARGEST = 34 / 32  # bytes of an element in Q8_0, the largest that a mixture falls back on
_PADDING = 64  # bytes between tensors, at most, and the values that the quantizer adds to the header


@dataclass(frozen=True, slots=True)
class Quantization:
    """What is to be made: of the model `parent`, whose only file is at `path`, one called `name`, of `file_type`.

    `reference` is how the parent is asked for on a command line.
    """

    parent: Model
    reference: str
    path: Path
    header: gguf.Header
    file_type: str
    name: str

    @property
    def most_bytes(self) -> int:
        """What the new file comes to at most."""
        head = self.header.data + _PADDING * (len(self.header.tensors) + 1)
        return head + round(sum(map(self._most_of, self.header.tensors)))

    def _most_of(self, tensor: gguf.Tensor) -> float:
        """The bytes of one tensor: vectors stay as they are, and of a mixture some matrices get larger blocks."""
        _, size, count = block_of(self.file_type)
        if len(tensor.shape) < 2:
            return tensor.bytes
        if is_pure(self.file_type):
            return tensor.elements * size / count
        is_large = tensor.name in _LARGER or tensor.shape[0] % count  # rows that are no whole blocks get other ones
        return tensor.elements * (_LARGEST if is_large else min(_LARGEST, _MIXED * size / count))


def plan(reference: str, wanted: str, name: str, registry: Registry, store: Store) -> Quantization:
    """What quantizing that model would make; `name` is empty for the usual one.

    Raises UsageError for a type there is not or that the model has already, a name that is taken, a model in parts;
    ModelMissing for a model that is not here.
    """
    file_type = wanted.upper()
    if file_type not in FILE_TYPES:
        raise UsageError(
            f'Unknown type "{wanted}"{did_you_mean(file_type, FILE_TYPES)}',
            "confspec models quantize --help   # lists the types",
        )
    is_named = reference in registry.models or not is_reference(reference)
    parent = registry.model(reference) if is_named else resolve(reference)
    paths = store.find(parent)
    if not paths:
        raise ModelMissing(f"{reference} is not downloaded.", f"confspec pull {shlex.quote(reference)}")
    if isinstance(parent.files[0].sources[0], PathSource) and not is_named:
        reference = str(paths[0].absolute())
    header = gguf.read(paths[0])
    gguf.check(header)
    if len(paths) > 1 or header.values.get("split.count", 0) not in (0, 1):
        raise UsageError(f"{parent.name} is split into several files; only a model in one file can be quantized.")
    if _type_of(header) == FILE_TYPES[file_type]:
        raise UsageError(f"{parent.name} is {file_type} already.", f"confspec models show {shlex.quote(reference)}")
    made = Quantization(parent, reference, paths[0], header, file_type, name or usual_name(parent, file_type))
    _check_name(made, registry, store)
    return made


def usual_name(parent: Model, file_type: str) -> str:
    """The name of the parent, with the new type in place of its own."""
    stem = re.sub(r"[^\w.-]+", "-", parent.name.rpartition("/")[2])
    if parent.quant:
        stem = re.sub(rf"[-._]{re.escape(parent.quant)}$", "", stem, flags=re.IGNORECASE)
    return f"{stem.strip('-.')}-{file_type.lower()}"


def make(made: Quantization, store: Store, progress: PullProgress) -> ModelFile:
    """Make it, in the store. Raises EngineError where llama.cpp fails, StorageError where there is no room for it."""
    from confspec_cli.engines.llamacpp.quantize import quantize  # noqa: PLC0415 - not where nothing is quantized

    room(store.folder, made.most_bytes, "CONFSPEC_MODELS")
    parent_sha256 = _checked(made, store, progress)
    place = store.folder / f"{made.name}.gguf"
    begun = store.folder / f".{made.name}.{secrets.token_hex(4)}.part"
    sizes = {tensor.name: tensor.bytes for tensor in made.header.tensors}
    finished = 0

    def done(tensor: str) -> None:
        nonlocal finished
        finished += sizes.get(tensor, 0)
        progress.advanced(finished)

    try:
        store.folder.mkdir(parents=True, exist_ok=True)
        progress.started(place.name, f"quantizing {made.parent.name} to {made.file_type}", sum(sizes.values()))
        quantize(made.path, begun, FILE_TYPES[made.file_type], is_pure(made.file_type), done)
        gguf.check(gguf.read(begun))
        size = begun.stat().st_size
        progress.started(place.name, "checking", size)
        sha256 = pin(begun, progress.advanced)[1]
        _flush(begun)
        begun.replace(place)
    except OSError as error:
        raise storage_error(error, store.folder) from error
    finally:
        begun.unlink(missing_ok=True)
    store.checked.remember(place, sha256)
    source = QuantizedSource(made.reference, parent_sha256, made.file_type, version("llama-cpp-python"))
    return ModelFile(place.name, (source,), size, sha256)


def _type_of(header: gguf.Header) -> object:
    """The number of the type of a file: what it says, or what all of its matrices are."""
    if "general.file_type" in header.values:
        return header.values["general.file_type"]
    kinds = {BLOCKS[tensor.kind][0] for tensor in header.tensors if len(tensor.shape) > 1}
    return FILE_TYPES.get(kinds.pop()) if len(kinds) == 1 else None


def _check_name(made: Quantization, registry: Registry, store: Store) -> None:
    """Raises UsageError for a name that cannot be, or is that of something else; to make the same again is no fault."""
    another = f"confspec models quantize {shlex.quote(made.reference)} {made.file_type} --name ANOTHER"
    place = store.folder / f"{made.name}.gguf"
    if not re.fullmatch(r"\w[\w.:-]{0,180}", made.name):
        raise UsageError(f'"{made.name}" cannot be the name of a model.', another)
    if made.name in registry.pairs:
        raise UsageError(f'There is a pair "{made.name}" already.', another)
    if known := registry.models.get(made.name):
        source = known.files[0].sources[0]
        is_the_same = isinstance(source, QuantizedSource) and (source.quantized, source.type) == (
            made.reference,
            made.file_type,
        )
        if not is_the_same or store.find(known):
            raise UsageError(f'There is a model "{made.name}" already.', f"confspec models show {made.name}")
    elif os.path.lexists(place) or any(
        file.name == place.name for model in registry.models.values() for file in model.files
    ):
        raise UsageError(f"{place} is there already, or is where another model belongs.", another)


def _checked(made: Quantization, store: Store, progress: PullProgress) -> str:
    """The sha256 of the parent's file, which is as pinned; it is read unless it was before."""
    file = made.parent.files[0]
    known = store.checked.sha256(made.path)
    size = made.path.stat().st_size
    if not known:
        progress.started(made.path.name, "checking", size)
        size, known = store.checked.computed(made.path, progress.advanced)
    compare(file, size, known, str(made.path))
    return known


def _flush(path: Path) -> None:
    """See to it that a file is on the disk before it gets its name."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
