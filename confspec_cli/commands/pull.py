"""`confspec pull`: download model files."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import pairs_and_models
from confspec_cli.commands._output import JsonFlag, QuietFlag, put_json
from confspec_cli.core.units import size
from confspec_cli.errors import Interrupted
from confspec_cli.models.references import is_reference, resolve
from confspec_cli.models.registry import Model, Registry, load
from confspec_cli.models.store import Planned, Store, check_room
from confspec_cli.render.console import echo, width_of
from confspec_cli.render.progress import Bars, Lines, watching
from confspec_cli.render.wording import columns
from confspec_cli.runtime.folders import models_folder, own_file


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[PAIR|MODEL|hf:OWNER/REPO[:QUANT]]...",
            show_default="the default pair",
            autocompletion=pairs_and_models,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be downloaded, and where to.")] = False,
    as_json: JsonFlag = False,
    quiet: QuietFlag = False,
) -> None:
    """Download pairs or single models, and check them against their sha256.

    Files already downloaded are checked and skipped; interrupted downloads resume. A model can also be a file in a
    Hugging Face repository: hf:owner/repo:Q4_K_M or hf:owner/repo/file.gguf, optionally with @revision, or its address.
    """
    registry = load(own_file())
    store = Store(models_folder(os.environ))
    wanted = {name: _models(name, registry) for name in names or [registry.default_pair]}
    plan = _plan(wanted, store)
    if dry_run:
        put_json(_document(plan)) if as_json else echo(_told(plan))
    check_room(plan)
    if dry_run:
        return
    missing = sum(planned.missing for planned in plan)
    try:
        with watching(sys.stderr, os.environ, quiet, missing) as progress:
            for name, models in wanted.items():
                _pull(name, models, store, progress)
    except Interrupted as stop:
        stop.hint = f"confspec pull {shlex.join(wanted)}   # resumes the download"
        raise
    if as_json:
        put_json(_document(_plan(wanted, store)))


def _plan(wanted: Mapping[str, Iterable[Model]], store: Store) -> list[Planned]:
    """Every file once."""
    every = [planned for models in wanted.values() for model in models for planned in store.plan(model)]
    return list({planned.file: planned for planned in every}.values())


def _models(name: str, registry: Registry) -> tuple[Model, ...]:
    """What a name or a reference stands for; an unknown one is told before anything is downloaded."""
    is_named = name in registry.pairs or name in registry.models
    return registry.models_of(name) if is_named or not is_reference(name) else (resolve(name),)


def _pull(name: str, models: Iterable[Model], store: Store, progress: Lines | Bars) -> None:
    paths = {path for model in models for path in store.pull(model, progress)}
    total = size(sum(path.stat().st_size for path in paths))
    folders = " and ".join(sorted({str(path.parent) for path in paths}))
    progress.said(f"{name} is ready: {total} in {folders}")


def _document(plan: Iterable[Planned]) -> dict[str, Any]:
    """The files, for programs; sizes in bytes."""
    files = [
        {
            "name": planned.file.name,
            "bytes": planned.file.bytes,
            "to_download": planned.missing,
            "from": None if planned.here else planned.origin or None,
            "path": str(planned.here) if planned.here else None,
        }
        for planned in plan
    ]
    return {"schema_version": 1, "files": files}


def _told(plan: Sequence[Planned]) -> str:
    """The plan, for people."""
    rows = [("FILE", "SIZE", "TO DOWNLOAD", "FROM", "INTO")]
    for planned in plan:
        place = planned.here.parent if planned.here else planned.folder
        origin = "-" if planned.here else planned.origin or "nowhere"
        rows.append((planned.file.name, size(planned.file.bytes), _missing(planned), origin, str(place or "-")))
    total = size(sum(planned.missing for planned in plan)) if any(planned.missing for planned in plan) else "nothing"
    return f"{columns(rows, width_of(sys.stdout), folded=2)}\n\n{total} to download"


def _missing(planned: Planned) -> str:
    if planned.here:
        return "downloaded"
    begun = f", {size(planned.begun)} already here" if planned.begun else ""
    return size(planned.missing) + begun
