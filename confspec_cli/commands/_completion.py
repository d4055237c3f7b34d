"""Shell completion of names. If models.yaml is broken, nothing is offered."""

from __future__ import annotations

import os

from confspec_cli.errors import ConfspecError
from confspec_cli.models.registry import Registry, load
from confspec_cli.runtime.folders import config_folder, own_file
from confspec_cli.storage.templates import names


def pairs(incomplete: str) -> list[tuple[str, str]]:
    """Pairs that start with this, and their descriptions."""
    registry = _registry()
    named = registry.pairs.items() if registry else ()
    return [(name, pair.about) for name, pair in named if name.startswith(incomplete)]


def models(incomplete: str) -> list[tuple[str, str]]:
    """Models that start with this, with size and licence, or the server they run on."""
    registry = _registry()
    if not registry:
        return []
    named = {name: f"{model.parameters} {model.quant}, {model.licence}" for name, model in registry.models.items()}
    named |= {name: f"on {model.host}" for name, model in registry.remotes.items()}
    return [(name, about) for name, about in named.items() if name.startswith(incomplete)]


def pairs_and_models(incomplete: str) -> list[tuple[str, str]]:
    """Pairs and models that start with this."""
    return pairs(incomplete) + models(incomplete)


def template_names(incomplete: str) -> list[str]:
    """Templates that start with this."""
    try:
        return [name for name in names(config_folder(os.environ) / "templates") if name.startswith(incomplete)]
    except ConfspecError:
        return []


def _registry() -> Registry | None:
    try:
        return load(own_file())
    except ConfspecError:
        return None
