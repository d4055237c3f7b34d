"""`confspec use`: another default pair."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from confspec_cli.commands._completion import pairs as pair_names
from confspec_cli.commands.model_pairs import default
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.render.console import put
from confspec_cli.runtime.folders import models_folder, own_file


def use(
    pair: Annotated[str, typer.Argument(metavar="PAIR", autocompletion=pair_names, show_default=False)],
) -> None:
    """Make a pair the default (short for `confspec models pair default`)."""
    default(pair)
    store = Store(models_folder(os.environ))
    if not all(store.find(model) for model in load(own_file()).models_of(pair)):
        put(sys.stderr, f"Not all of its models are downloaded yet: confspec pull {pair}\n")
