"""`confspec pull`: bring model files here."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from confspec_cli.commands._completion import pairs_and_models
from confspec_cli.folders import config_folder, models_folder
from confspec_cli.models.registry import Registry, load
from confspec_cli.models.store import Store
from confspec_cli.render.progress import Bars, Lines, size, watching


def pull(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PAIR|MODEL]...", show_default="the default pair", autocompletion=pairs_and_models),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but warnings and errors.")] = False,
) -> None:
    """Download the models of pairs, or single models, and check them against their sha256.

    What is here already is not downloaded again.
    """
    registry = load(config_folder(os.environ) / "models.yaml")
    store = Store(models_folder(os.environ))
    wanted = names or [registry.default_pair]
    for name in wanted:
        registry.models_of(name)  # an unknown name is told before anything is downloaded
    with watching(sys.stderr, os.environ, quiet) as watch:
        for name in dict.fromkeys(wanted):
            _pull(name, registry, store, watch)


def _pull(name: str, registry: Registry, store: Store, watch: Lines | Bars) -> None:
    models = registry.models_of(name)
    paths = {path for model in models for path in store.pull(model, watch)}
    total = size(sum(path.stat().st_size for path in paths))
    folders = " and ".join(sorted({str(path.parent) for path in paths}))
    watch.said(f"{name} is ready: {total} in {folders}")
