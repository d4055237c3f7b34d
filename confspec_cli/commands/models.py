"""`confspec models`: list the known pairs and models, and which of them are downloaded."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands import model_pairs as _pairs
from confspec_cli.commands._output import JsonFlag, NamesFlag, put_json, put_names
from confspec_cli.commands.model_files import add, check, path, rm
from confspec_cli.commands.model_quantize import quantize
from confspec_cli.commands.model_show import show
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.units import size
from confspec_cli.errors import ConfspecError
from confspec_cli.models import gguf
from confspec_cli.models.registry import Model, Registry, load
from confspec_cli.models.sources import HubSource, PackagesSource, PathSource, QuantizedSource
from confspec_cli.models.store import Store
from confspec_cli.render.console import echo, width_of
from confspec_cli.render.wording import columns, count, counted
from confspec_cli.runtime.folders import models_folder, own_file

SCHEMA_VERSION = 1

app = typer.Typer(invoke_without_command=True, help="List, inspect, add and remove models and pairs.")


_All = Annotated[bool, typer.Option("--all", help="Also list models not downloaded, and partial downloads.")]


@app.callback()
def models(
    context: typer.Context, as_json: JsonFlag = False, quiet: NamesFlag = False, everything: _All = False
) -> None:
    """List, inspect, add and remove models and pairs."""
    if context.invoked_subcommand is None:
        show_list(as_json, quiet, everything)


@app.command("list")
def show_list(as_json: JsonFlag = False, quiet: NamesFlag = False, everything: _All = False) -> None:
    """List pairs, and the models that are downloaded (same as plain `confspec models`); with -q, those models."""
    registry = load(own_file())
    store = Store(models_folder(os.environ))
    if quiet and not as_json:
        put_names([name for name, model in registry.models.items() if everything or store.find(model)])
        return
    partial = store.leftovers() if everything or as_json else []
    left: list[dict[str, Any]] = [{"path": str(path), "bytes": path.stat().st_size} for path in partial]
    document = {**_document(registry, store), "partial": left}
    if as_json:
        put_json(document)
        return
    echo(_listing(document, everything))
    if left:
        rows = [("PARTIAL DOWNLOAD", "SIZE"), *((str(one["path"]), size(one["bytes"])) for one in left)]
        echo(f"\n{columns(rows, width_of(sys.stdout), folded=1)}")


app.command("show")(show)
app.command("rm")(rm)
app.command("verify")(check)
app.command("path")(path)
app.command("add")(add)
app.command("quantize")(quantize)
app.add_typer(_pairs.app, name="pair")


def _document(registry: Registry, store: Store) -> dict[str, Any]:
    """All facts about each pair and model; sizes in bytes, contexts in tokens."""
    models = {name: _model(model, store.find(model) or []) for name, model in registry.models.items()}
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
                "bytes": sum(models[model]["bytes"] for model in {pair.draft, pair.target} & models.keys()),
                "here": all(models[model]["here"] for model in {pair.draft, pair.target} & models.keys()),
            }
            for name, pair in registry.pairs.items()
        ],
        "models": list(models.values()),
        "remotes": [
            {"name": name, "url": model.url, "model": model.model, "server": model.server.value}
            for name, model in registry.remotes.items()
        ],
    }


def _model(model: Model, paths: list[Path]) -> dict[str, Any]:
    context, parameters = _read(paths[0], counts=not model.parameters) if paths else (None, None)
    return {
        "name": model.name,
        "parameters": model.parameters or (counted(parameters) if parameters else ""),
        "quant": model.quant,
        "context": context,
        "licence": model.licence,
        "thinks": model.thinks,
        "bytes": model.bytes or sum(path.stat().st_size for path in paths),
        "here": bool(paths),
        "paths": [str(path) for path in paths],
        "sources": [_origin(source) for source in model.files[0].sources],
        "files": [{"name": file.name, "bytes": file.bytes, "sha256": file.sha256} for file in model.files],
    }


def _read(path: Path, counts: bool) -> tuple[int | None, int | None]:
    """The context a model was trained for and, if asked, its parameters; `models show` says what is damaged."""
    try:
        if not counts:
            return gguf.context_length(path), None
        header = gguf.read(path)
    except ConfspecError:
        return None, None
    return header.number("context_length") or None, sum(tensor.elements for tensor in header.tensors)


def _listing(document: dict[str, Any], everything: bool) -> str:
    """The tables shown in a terminal."""
    pairs = [("PAIR", "SIZE", "DOWNLOADED", "DRAFT + TARGET")]
    for pair in document["pairs"]:
        mark = " (default)" if pair["name"] == document["default_pair"] else ""
        here = "yes" if pair["here"] else "-"
        taken = size(pair["bytes"]) if pair["bytes"] else "-"
        pairs.append((pair["name"] + mark, taken, here, f"{pair['draft']} + {pair['target']}"))
    listed = [model for model in document["models"] if everything or model["here"]]
    models = [("MODEL", "SIZE", "QUANT", "PARAMETERS", "CONTEXT", "LICENCE", "SOURCE", "PATH")]
    models += [
        (
            model["name"],
            size(model["bytes"]),
            model["quant"] or "-",
            model["parameters"] or "-",
            str(model["context"] or "-"),
            model["licence"] or "-",
            ", ".join(dict.fromkeys(source.split()[0] for source in model["sources"])),
            model["paths"][0] if model["paths"] else "-",
        )
        for model in listed
    ]
    width = width_of(sys.stdout)
    tables = [columns(pairs, width, folded=1)]
    if listed:
        tables.append(columns(models, width, folded=3))
    if document["remotes"]:
        remotes = [("ON A SERVER", "URL", "MODEL", "SERVER")]
        remotes += [(one["name"], one["url"], one["model"] or "-", one["server"]) for one in document["remotes"]]
        tables.append(columns(remotes, width, folded=1))
    if more := len(document["models"]) - len(listed):
        tables.append(f"{count(more, 'model')} not downloaded: confspec models --all")
    return "\n\n".join(tables)


def _origin(source: HubSource | PackagesSource | PathSource | QuantizedSource) -> str:
    match source:
        case HubSource():
            return f"hub {source.hub} at {source.revision}"
        case PackagesSource():
            return f"packages {source.packages} {source.version}"
        case PathSource():
            return f"path {source.path}"
        case QuantizedSource():
            return f"quantized from {source.quantized}"
