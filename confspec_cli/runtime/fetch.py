"""Models become files: found here, or pulled once somebody has agreed to it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from confspec_cli.core.trace import Author
from confspec_cli.core.units import size
from confspec_cli.errors import ModelMissing
from confspec_cli.models.registry import Model
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.store import Store, check_room
from confspec_cli.runtime.folders import models_folder
from confspec_cli.runtime.reporter import SILENT, Reporter
from confspec_cli.runtime.resolve import ResolvedPair


def local_files(resolved: ResolvedPair, reporter: Reporter = SILENT) -> dict[Author, Path]:
    """The file to load for each author whose model runs here; pulls what is missing, after asking once.

    Raises ModelMissing, naming the command to type, where nobody agrees to that.
    """
    store = Store(models_folder(os.environ))
    wanted = {role.name: role for role in resolved.roles.values() if isinstance(role, Model)}
    if missing := [model for model in wanted.values() if store.find(model) is None]:
        _pull(store, missing, reporter)
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


def _pull(store: Store, missing: Sequence[Model], reporter: Reporter) -> None:
    names = ", ".join(f"{model.name} ({size(model.bytes)})" for model in missing)
    command = f"confspec pull {' '.join(model.name for model in missing)}"
    match reporter.confirm(f"Not downloaded yet: {names}. Download now?"):
        case None:
            raise ModelMissing(f"Not downloaded yet: {names}.", command)
        case False:
            raise ModelMissing("Nothing downloaded.", command)
    plan = {planned.file: planned for model in missing for planned in store.plan(model)}
    check_room(plan.values())
    with reporter.pulling(sum(planned.missing for planned in plan.values())) as progress:
        for model in missing:
            store.pull(model, progress)
