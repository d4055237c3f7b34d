"""`confspec models`: which pairs and models there are, and which of them are here."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from confspec_cli.folders import config_folder, models_folder
from confspec_cli.models.registry import Model, Pair, Registry, load
from confspec_cli.models.store import Store
from confspec_cli.render.progress import size
from confspec_cli.render.wording import columns
from confspec_cli.tasks import TaskName

SCHEMA_VERSION = 1

app = typer.Typer(invoke_without_command=True, help="List the pairs and models that can be asked for by name.")


@app.callback()
def models(
    context: typer.Context,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document, with the paths.")] = False,
) -> None:
    """List the pairs and models that can be asked for by name."""
    if context.invoked_subcommand is not None:
        return
    registry = load(config_folder(os.environ) / "models.yaml")
    store = Store(models_folder(os.environ))
    paths = {name: [str(path) for path in store.find(model) or ()] for name, model in registry.models.items()}
    if as_json:
        typer.echo(json.dumps(_document(registry, store, paths), indent=2))
    else:
        typer.echo(_listing(registry, paths))


def _document(registry: Registry, store: Store, paths: dict[str, list[str]]) -> dict[str, Any]:
    """Everything there is to know of each pair and model, sizes in bytes."""
    return {
        "schema_version": SCHEMA_VERSION,
        "folder": str(store.folder),
        "default_pair": registry.default_pair,
        "pairs": [
            {
                "name": name,
                "draft": pair.draft,
                "target": pair.target,
                "about": pair.about,
                "calibrated": pair.calibrated,
                "calibrated_for": [task.value for task in TaskName if pair.is_calibrated_for(task)],
                "bytes": _bytes(registry, pair),
                "here": _is_here(pair, paths),
            }
            for name, pair in registry.pairs.items()
        ],
        "models": [
            {
                "name": name,
                "parameters": model.parameters,
                "quant": model.quant,
                "licence": model.licence,
                "thinks": model.thinks,
                "bytes": model.bytes,
                "here": bool(paths[name]),
                "paths": paths[name],
                "files": [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in model.files],
            }
            for name, model in registry.models.items()
        ],
    }


def _listing(registry: Registry, paths: dict[str, list[str]]) -> str:
    """Two tables for people."""
    pairs = [("PAIR", "SIZE", "HERE", "DRAFT + TARGET")]
    for name, pair in registry.pairs.items():
        mark = " (default)" if name == registry.default_pair else ""
        here = "yes" if _is_here(pair, paths) else "-"
        pairs.append((name + mark, size(_bytes(registry, pair)), here, f"{pair.draft} + {pair.target}"))
    models = [("MODEL", "SIZE", "HERE", "QUANT", "LICENCE")]
    models += [
        (name, size(model.bytes), "yes" if paths[name] else "-", model.quant, model.licence)
        for name, model in registry.models.items()
    ]
    return f"{columns(pairs)}\n\n{columns(models)}"


def _is_here(pair: Pair, paths: dict[str, list[str]]) -> bool:
    return bool(paths[pair.draft] and paths[pair.target])


def _bytes(registry: Registry, pair: Pair) -> int:
    models: set[Model] = {registry.models[pair.draft], registry.models[pair.target]}
    return sum(model.bytes for model in models)
