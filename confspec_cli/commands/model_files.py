"""`confspec models rm, verify, path, add`: model files, and models the user registers."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models as model_names
from confspec_cli.commands._completion import pairs_and_models
from confspec_cli.core.units import size
from confspec_cli.errors import Exit, ModelMissing, StorageError, UsageError
from confspec_cli.models.references import resolve
from confspec_cli.models.registry import Model, Registry, load
from confspec_cli.models.sources import HubSource, ModelFile, PathSource, Watch, pin, verify
from confspec_cli.models.store import Store
from confspec_cli.models.yaml_editing import put as keep
from confspec_cli.render.console import echo, put
from confspec_cli.render.progress import watching
from confspec_cli.runtime.folders import models_folder, own_file

_Names = Annotated[
    list[str], typer.Argument(metavar="MODEL|PAIR...", autocompletion=pairs_and_models, show_default=False)
]


def rm(
    names: _Names,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Show what would be deleted, without deleting it.")
    ] = False,
    yes: Annotated[bool, typer.Option("-y", "--yes", help="Delete without asking.", envvar="CONFSPEC_YES")] = False,
) -> None:
    """Delete downloaded model files (pull fetches them again).

    Files outside confspec's folder, such as your own or those in the Hugging Face cache, are never deleted.
    """
    registry, store = load(own_file()), Store(models_folder(os.environ))
    found = [path for model in _models(names, registry) for path in store.find(model) or ()]
    parts = [part for model in _models(names, registry) for part in store.begun(model)]
    foreign = [path for path in found if path.parent != store.folder]
    if foreign:
        raise StorageError(f"{foreign[0]} is used where it is: it is not confspec's to remove.", _elsewhere(foreign[0]))
    doomed = list(dict.fromkeys([*found, *parts]))
    if not doomed:
        raise ModelMissing(f"Nothing of {' and '.join(names)} is here.", "confspec models list")
    freed = size(sum(map(_bytes, doomed)))
    for path in doomed:
        echo(f"{size(_bytes(path))}  {path}")
    gone = {model.name for model in _models(names, registry)}
    others = [name for name, pair in registry.pairs.items() if name not in names and {pair.draft, pair.target} & gone]
    if others:
        echo(f"needed by {', '.join(others)} too")
    if dry_run:
        echo(f"{freed} would be freed")
        return
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            raise UsageError("Nobody can be asked here.", f"confspec models rm -y {' '.join(names)}")
        if not typer.confirm(f"Remove these, {freed}?", default=False, err=True):
            raise typer.Exit(Exit.FAILURE)
    for path in doomed:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as problem:
            raise StorageError(f"{path} cannot be removed: {problem.strerror}.") from problem
    echo(f"{freed} freed")


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|PAIR]...", autocompletion=pairs_and_models, show_default="all downloaded models"
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("-q", "--quiet", help="Print only problems.")] = False,
) -> None:
    """Check model files against their sha256 (exit 9 on a mismatch)."""
    registry, store = load(own_file()), Store(models_folder(os.environ))
    wanted = _models(names, registry) if names else list(registry.models.values())
    damaged: dict[str, str] = {}  # by model, what mends it
    seen = 0
    with watching(sys.stderr, os.environ, quiet) as watch:
        for model in wanted:
            paths = store.find(model)
            if paths is None and names:
                raise ModelMissing(f"{model.name} is not here.", f"confspec pull {model.name}")
            for file, path in zip(model.files, paths or (), strict=False):
                seen += 1
                watch.started(file.name, "checking", file.bytes or path.stat().st_size)
                try:
                    verify(path, file, watch.advanced)
                    watch.said(f"{file.name}: {'as pinned' if file.sha256 else 'readable, and not pinned'}")
                except StorageError as error:
                    away = f"confspec models rm {model.name}" if path.parent == store.folder else _elsewhere(path)
                    damaged[model.name] = "" if file.is_in_place else f"{away} && confspec pull {model.name}"
                    watch.warned(str(error))
    if damaged:
        raise StorageError(f"Not what it was: {', '.join(damaged)}.", " && ".join(filter(None, damaged.values())))
    if not seen:
        raise ModelMissing("There is no model here to check.", "confspec pull")


def path(
    name: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=model_names, show_default=False)],
) -> None:
    """Print the path of a model's (first) file; exit 3 if it is not downloaded."""
    model = load(own_file()).model(name)
    paths = Store(models_folder(os.environ)).find(model)
    if not paths:
        raise ModelMissing(f"{name} is not here.", f"confspec pull {name}")
    echo(str(paths[0]))


def add(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    reference: Annotated[
        str,
        typer.Argument(metavar="REF", help="hf:owner/repo[:QUANT], or the path of a GGUF file.", show_default=False),
    ],
    licence: Annotated[str, typer.Option("--licence", help="Licence to show in the list.")] = "",
    thinks: Annotated[bool, typer.Option("--thinks", help="The model reasons in a <think> block.")] = False,
) -> None:
    """Register a model under a name in your models.yaml, pinned to its current sha256."""
    must_be_new(name, load(own_file()))
    model = resolve(reference)
    entry: dict[str, Any] = {"licence": licence, "quant": model.quant, "thinks": thinks}
    with watching(sys.stderr, os.environ, quiet=False) as watch:
        files = [_entry(_pinned(file, watch)) for file in model.files]
    whole = {**{key: value for key, value in entry.items() if value}, "files": files}
    keep(own_file(), (("models", name), whole), check=partial(must_be_new, name))
    put(sys.stderr, f"kept in {own_file()}: confspec models pair add PAIR DRAFT TARGET\n")


def must_be_new(name: str, registry: Registry) -> None:
    """Raises UsageError where a model or pair has that name."""
    if name in registry.models or name in registry.pairs:
        raise UsageError(f'There is a model or pair "{name}" already.', "confspec models list")


def _entry(file: ModelFile) -> dict[str, Any]:
    """A file as it stands in models.yaml."""
    sources = [_source(source) for source in file.sources]
    return {"name": file.name, "bytes": file.bytes, "sha256": file.sha256, "sources": sources}


def _pinned(file: ModelFile, watch: Watch) -> ModelFile:
    """A file of the user's own, pinned as it is; what comes from elsewhere is pinned already."""
    if not isinstance(source := file.sources[0], PathSource):
        return file
    watch.started(file.name, "reading", source.path.stat().st_size)
    size_in_bytes, sha256 = pin(source.path, watch.advanced)
    return replace(file, bytes=size_in_bytes, sha256=sha256)


def _source(source: Any) -> dict[str, str]:
    if isinstance(source, PathSource):
        return {"path": str(source.path.absolute())}
    assert isinstance(source, HubSource)
    return {"hub": source.hub, "revision": source.revision, **({"file": source.file} if source.file else {})}


def _models(names: list[str], registry: Registry) -> list[Model]:
    return list(dict.fromkeys(model for name in names for model in registry.models_of(name)))


def _elsewhere(path: Path) -> str:
    """How a file that is not confspec's is removed."""
    repository = next((part for part in path.parts if part.startswith("models--")), "")
    return f"hf cache rm {repository.replace('models--', 'model/').replace('--', '/')}" if repository else f"rm {path}"


def _bytes(path: Path) -> int:
    """Of a file, or of all in a folder."""
    return sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())
