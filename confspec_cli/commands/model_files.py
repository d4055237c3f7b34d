"""`confspec models rm, verify, path, add`: model files, and models the user registers."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models as model_names
from confspec_cli.commands._completion import pairs_and_models
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._output import QuietFlag
from confspec_cli.commands.server_models import ServerFlags, reached
from confspec_cli.core.units import size
from confspec_cli.errors import Exit, ModelMissing, ServerError, StorageError, UsageError
from confspec_cli.models.checked import Checked
from confspec_cli.models.references import is_on_hub, resolve
from confspec_cli.models.registry import Model, Registry, load
from confspec_cli.models.remote_models import RemoteModel, is_address
from confspec_cli.models.sources import HubSource, ModelFile, PathSource, PullProgress, compare
from confspec_cli.models.store import Store
from confspec_cli.models.yaml_editing import put as keep
from confspec_cli.render.console import echo, put
from confspec_cli.runtime.folders import models_folder, own_file
from confspec_cli.runtime.offload import AUTO

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
    """Delete model files that were downloaded (pull fetches them again) or quantized here.

    Files outside confspec's folder, such as your own or those in the Hugging Face cache, are never deleted.
    """
    registry, store = load(own_file()), Store(models_folder(os.environ))
    models = _models(names, registry)
    doomed = _removable(models, registry, store)
    if not doomed:
        raise ModelMissing(f"{' and '.join(names)}: not downloaded.", "confspec models list")
    freed = size(sum(map(_bytes, doomed)))
    for path in doomed:
        echo(f"{size(_bytes(path))}  {path}")
    gone = {model.name for model in models}
    others = [name for name, pair in registry.pairs.items() if name not in names and {pair.draft, pair.target} & gone]
    if others:
        echo(f"also used by {', '.join(others)}")
    if dry_run:
        echo(f"{freed} would be freed")
        return
    if not yes:
        if not (sys.stdin.isatty() and sys.stderr.isatty()):
            hint = f"confspec models rm -y {' '.join(names)}"
            raise UsageError("This needs confirmation, but there is no terminal to ask in.", hint)
        if not typer.confirm(f"Delete these files ({freed})?", default=False, err=True):
            raise typer.Exit(Exit.FAILURE)
    for path in doomed:
        try:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError as problem:
            raise StorageError(f"Cannot delete {path}: {problem.strerror}.", f"ls -ld {path.parent}") from problem
    echo(f"{freed} freed")


def _removable(models: list[Model], registry: Registry, store: Store) -> list[Path]:
    """What pulls put into the folder of models, and left there. Raises StorageError for a model that lies elsewhere."""
    own = {
        source.path.resolve()
        for model in registry.models.values()
        for file in model.files
        for source in file.sources
        if isinstance(source, PathSource)
    }
    for path in (path for model in models for path in store.find(model) or ()):
        if path.parent != store.folder or path.resolve() in own:
            whose = "in the Hugging Face cache" if _cached_as(path) else "your own file"
            raise StorageError(f"{path} is {whose}; confspec does not delete it.", _elsewhere(path))
    copies = [path for model in models for file in model.files for path in store.copies(file)]
    begun = [path for model in models for path in store.begun(model)]
    return [path for path in dict.fromkeys([*copies, *begun]) if path.resolve() not in own]


def check(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[MODEL|PAIR]...", autocompletion=pairs_and_models, show_default="all downloaded models"
        ),
    ] = None,
    quiet: QuietFlag = False,
) -> None:
    """Check model files against their sha256 (exit 9 on a mismatch), and that servers answer (exit 5 if not)."""
    from confspec_cli.render.progress import watching  # noqa: PLC0415 - rich is slow to import

    registry, store = load(own_file()), Store(models_folder(os.environ))
    damaged: dict[str, str] = {}  # by model, what mends it
    roles = [role for name in names or (*registry.models, *registry.remotes) for role in registry.roles_of(name)]
    seen = 0
    with watching(sys.stderr, os.environ, quiet) as progress:
        for model in dict.fromkeys(roles):
            for file in model.files if isinstance(model, Model) else ():
                path = next(store.places(file), None)
                if path is None and names:
                    raise ModelMissing(f"{model.name} is not downloaded.", f"confspec pull {model.name}")
                if path is None:
                    continue
                seen += 1
                progress.started(file.name, "checking", file.bytes or path.stat().st_size)
                try:
                    compare(file, *store.checked.computed(path, progress.advanced), str(path))
                    progress.said(f"{file.name}: {'matches its sha256' if file.sha256 else 'readable; has no sha256'}")
                except StorageError as error:
                    damaged[model.name] = "" if file.is_in_place else f"confspec pull {model.name}"
                    progress.warned(str(error))
    remotes = [role for role in dict.fromkeys(roles) if isinstance(role, RemoteModel)]
    unreachable = _unreachable(remotes, quiet)
    if damaged:
        hint = " && ".join(filter(None, damaged.values()))
        raise StorageError(f"These models do not match their sha256: {', '.join(damaged)}.", hint)
    if unreachable:
        hint = f"confspec models show {unreachable[0]}"
        raise ServerError(f"These models cannot be reached: {', '.join(unreachable)}.", hint)
    if not seen and not remotes:
        raise ModelMissing("No model is downloaded.", "confspec pull")


def _unreachable(models: Iterable[RemoteModel], quiet: bool) -> list[str]:
    """The names of the models whose servers cannot be used; each model is told of, or only those."""
    found = []
    for model in models:
        try:
            line = reached(model)
        except (ServerError, UsageError) as error:
            found.append(model.name)
            put(sys.stderr, f"warning: {model.name}: {error}\n")
        else:
            put(sys.stderr, "" if quiet else f"{line}\n")
    return found


def path(
    name: Annotated[str, typer.Argument(metavar="MODEL", autocompletion=model_names, show_default=False)],
) -> None:
    """Print the path of a model's (first) file; exit 3 if it is not downloaded."""
    model = load(own_file()).model(name)
    paths = Store(models_folder(os.environ)).find(model)
    if not paths:
        raise ModelMissing(f"{name} is not downloaded.", f"confspec pull {name}")
    echo(str(paths[0]))


@grouped
def add(
    *,
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    reference: Annotated[
        str,
        typer.Argument(
            metavar="REF|URL",
            help="hf:owner/repo[:QUANT], the path of a GGUF file, or the URL of a server.",
            show_default=False,
        ),
    ],
    licence: Annotated[str, typer.Option("--licence", help="Licence to show in the list.")] = "",
    thinks: Annotated[bool, typer.Option("--thinks", help="The model reasons in a <think> block.")] = False,
    server: ServerFlags,
) -> None:
    """Register a model under a name in your models.yaml, pinned to its current sha256, or a model on a server.

    A server's URL may end in /v1 and in #MODEL: confspec models add big http://HOST:8000/v1#MODEL
    """
    must_be_new(name, load(own_file()))
    entry: dict[str, Any] = {"licence": licence}
    if is_address(reference) and not is_on_hub(reference):
        entry = {**server.entry(reference), **entry}
    else:
        server.check_unused()
        from confspec_cli.render.progress import watching  # noqa: PLC0415

        model = resolve(reference)
        with watching(sys.stderr, os.environ, quiet=False) as progress:
            files = [_entry(_pinned(file, progress)) for file in model.files]
        entry |= {"quant": model.quant, "thinks": thinks, "files": files}
    whole = {key: value for key, value in entry.items() if value}
    keep(own_file(), (("models", name), whole), check=partial(must_be_new, name))
    put(sys.stderr, f"{name} added to {own_file()}; next: confspec models pair add PAIR DRAFT TARGET\n")


def must_be_new(name: str, registry: Registry) -> None:
    """Raises UsageError where a model or pair has that name, or it stands for the best pair that fits."""
    if name == AUTO:
        raise UsageError(f'"{AUTO}" stands for the best pair that fits; choose another name.', "confspec models list")
    if name in registry.models or name in registry.remotes or name in registry.pairs:
        raise UsageError(f'A model or pair named "{name}" already exists.', "confspec models list")


def _entry(file: ModelFile) -> dict[str, Any]:
    """A file as it stands in models.yaml."""
    sources = [_source(source) for source in file.sources]
    return {"name": file.name, "bytes": file.bytes, "sha256": file.sha256, "sources": sources}


def _pinned(file: ModelFile, progress: PullProgress) -> ModelFile:
    """A file of the user's own, pinned as it is; what comes from elsewhere is pinned already."""
    if not isinstance(source := file.sources[0], PathSource):
        return file
    progress.started(file.name, "reading", source.path.stat().st_size)
    size_in_bytes, sha256 = Checked(models_folder(os.environ)).computed(source.path, progress.advanced)
    return replace(file, bytes=size_in_bytes, sha256=sha256)


def _source(source: Any) -> dict[str, str]:
    if isinstance(source, PathSource):
        return {"path": str(source.path.absolute())}
    assert isinstance(source, HubSource)
    return {"hub": source.hub, "revision": source.revision, **({"file": source.file} if source.file else {})}


def _models(names: list[str], registry: Registry) -> list[Model]:
    return list(dict.fromkeys(model for name in names for model in registry.models_of(name)))


def _cached_as(path: Path) -> str:
    """The folder of the repository in the Hugging Face cache that a file lies in, or nothing."""
    return next((part for part in path.parts if part.startswith("models--")), "")


def _elsewhere(path: Path) -> str:
    """How a file that is not confspec's is deleted, or one of the user's own taken off the list."""
    repository = _cached_as(path).replace("models--", "model/").replace("--", "/")
    return f"hf cache rm {repository}" if repository else "confspec config edit"


def _bytes(path: Path) -> int:
    """Of a file, or of all in a folder."""
    return sum(one.stat().st_size for one in (path, *path.rglob("*")) if one.is_file())
