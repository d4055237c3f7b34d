"""Models become files: found here, or pulled once somebody has agreed to it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from confspec_cli.core.trace import Author
from confspec_cli.core.units import size
from confspec_cli.errors import ModelMissing
from confspec_cli.models.registry import Model
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.store import Store, check_room
from confspec_cli.runtime.folders import models_folder
from confspec_cli.runtime.reporter import SILENT, Reporter
from confspec_cli.runtime.resolve import ResolvedPair, user_registry


def local_files(resolved: ResolvedPair, reporter: Reporter = SILENT) -> dict[Author, Path]:
    """The file to load for each author whose model runs here; pulls what is missing, after asking once.

    Raises ModelMissing, naming the command to type, where nobody agrees to that.
    """
    store = Store(models_folder(os.environ))
    wanted = {role.name: role for role in resolved.roles.values() if isinstance(role, Model)}
    if missing := [model for model in wanted.values() if store.find(model) is None]:
        _pull(store, missing, resolved, reporter)
    found = {name: (store.find(model) or [Path()])[0] for name, model in wanted.items()}
    return {
        author: found[role.name] if isinstance(role, Model) else role
        for author, role in resolved.roles.items()
        if not isinstance(role, RemoteModel)
    }


def verified_files(resolved: ResolvedPair, reporter: Reporter = SILENT) -> dict[Author, Path]:
    """The same for what is measured: every file is read through once, so that its hash is known and is the pinned one.

    Raises StorageError where it is another.
    """
    paths = local_files(resolved, reporter)
    store = Store(models_folder(os.environ))
    with reporter.pulling(0) as progress:
        for author, role in resolved.roles.items():
            files = list(zip(role.files, store.find(role) or [], strict=False)) if isinstance(role, Model) else []
            for file, path in files:
                store.checked.verify(path, file, progress)
            here = paths.get(author)  # none on a server; and loading says which file does not exist
            if here and here.is_file() and not store.checked.sha256(here):
                progress.started(here.name, "reading", here.stat().st_size)
                store.checked.computed(here, progress.advanced)
    return paths


def _pull(store: Store, missing: Sequence[Model], resolved: ResolvedPair, reporter: Reporter) -> None:
    names = " and ".join(f"{model.name} ({size(model.bytes)})" for model in missing)
    named = [model.name for model in missing] if resolved.measured is None else [resolved.pair.name]
    command = f"confspec pull {' '.join(named)}"
    match reporter.confirm(
        f"Download {size(_bytes(missing))} now?", [*_introduction(store, resolved), f"Not downloaded yet: {names}"]
    ):
        case None:
            raise ModelMissing(f"Not downloaded yet: {names}.", command)
        case False:
            raise ModelMissing("Nothing downloaded.", command)
    plan = {planned.file: planned for model in missing for planned in store.plan(model)}
    check_room(plan.values())
    with reporter.pulling(sum(planned.missing for planned in plan.values())) as progress:
        for model in missing:
            store.pull(model, progress)


def _introduction(store: Store, resolved: ResolvedPair) -> list[str]:
    """What somebody should know before a download: at the first one, what this is; and what there is instead."""
    registry = user_registry()
    models = {
        name: [registry.models.get(part) for part in (pair.draft, pair.target)] for name, pair in registry.pairs.items()
    }
    known = {name: [one for one in both if one] for name, both in models.items() if all(both)}
    here = [name for name, both in known.items() if all(map(store.find, both))]
    if here:
        return [f"Downloaded already: {', '.join(here)}; confspec use {here[0]} makes it the default."]
    if any(map(store.find, registry.models.values())):
        return []
    smallest = min(known, key=lambda name: _bytes(known[name]))
    return [
        "Welcome to confspec: a small model drafts each step of an answer, and a bigger one is asked where it matters. "
        "Both run on this machine, and are downloaded once.",
        *([f"Smaller: confspec -p {smallest} ({size(_bytes(known[smallest]))})"] * (resolved.pair.name != smallest)),
        "On a server: confspec --draft http://HOST:PORT --target http://HOST:PORT",
    ]


def _bytes(models: Iterable[Model]) -> int:
    return sum(model.bytes for model in models)
