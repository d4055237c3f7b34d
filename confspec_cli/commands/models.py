"""`confspec models`: which pairs and models there are, and which of them are here."""

from __future__ import annotations

import json
import os
import sys
from typing import Annotated, Any

import typer

from confspec_cli.commands import _pairs
from confspec_cli.commands._keeping import add, check, leftovers, own_file, path, rm
from confspec_cli.commands._show import show
from confspec_cli.folders import models_folder
from confspec_cli.models.base import HubSource, PackagesSource, PathSource
from confspec_cli.models.registry import Model, Pair, Registry, load
from confspec_cli.models.store import Store
from confspec_cli.render.console import put
from confspec_cli.render.progress import size
from confspec_cli.render.wording import columns
from confspec_cli.tasks import TaskName

SCHEMA_VERSION = 1

app = typer.Typer(invoke_without_command=True, help="List the pairs and models that can be asked for by name.")


_Json = Annotated[bool, typer.Option("--json", help="Print one JSON document, with the paths.")]


@app.callback()
def models(context: typer.Context, as_json: _Json = False) -> None:
    """List the pairs and models that can be asked for by name."""
    if context.invoked_subcommand is None:
        show_list(as_json)


@app.command("list")
def show_list(
    as_json: _Json = False,
    quiet: Annotated[
        bool, typer.Option("-q", "--quiet", help="The names of the models that are here, a line each.")
    ] = False,
    everything: Annotated[bool, typer.Option("--all", help="What interrupted pulls left, too.")] = False,
) -> None:
    """List pairs and models, and which of them are here; also plain `confspec models`."""
    registry = load(own_file())
    store = Store(models_folder(os.environ))
    paths = {name: [str(path) for path in store.find(model) or ()] for name, model in registry.models.items()}
    partial = leftovers(store.folder) if everything or as_json else []
    if quiet:
        put(sys.stdout, "".join(f"{name}\n" for name, found in paths.items() if found))
    elif as_json:
        typer.echo(json.dumps({**_document(registry, store, paths), "partial": partial}, indent=2))
    else:
        typer.echo(_listing(registry, paths))
        if partial:
            typer.echo(
                "\n" + columns([("LEFT BY A PULL", "SIZE"), *((one["path"], size(one["bytes"])) for one in partial)])
            )


app.command("show")(show)
app.command("rm")(rm)
app.command("verify")(check)
app.command("path")(path)
app.command("add")(add)
app.add_typer(_pairs.app, name="pair")


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
                "sources": [_origin(source) for source in model.files[0].sources],
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
    models = [("MODEL", "SIZE", "HERE", "PARAMETERS", "QUANT", "LICENCE", "PATH")]
    models += [
        (
            name,
            size(model.bytes),
            "yes" if paths[name] else "-",
            model.parameters or "-",
            model.quant or "-",
            model.licence or "-",
            paths[name][0] if paths[name] else "-",
        )
        for name, model in registry.models.items()
    ]
    return f"{columns(pairs)}\n\n{columns(models)}"


def _origin(source: HubSource | PackagesSource | PathSource) -> str:
    match source:
        case HubSource():
            return f"hub {source.hub} at {source.revision}"
        case PackagesSource():
            return f"packages {source.packages} {source.version}"
        case PathSource():
            return f"path {source.path}"


def _is_here(pair: Pair, paths: dict[str, list[str]]) -> bool:
    return bool(paths[pair.draft] and paths[pair.target])


def _bytes(registry: Registry, pair: Pair) -> int:
    models: set[Model] = {registry.models[pair.draft], registry.models[pair.target]}
    return sum(model.bytes for model in models)
