"""`confspec models show PAIR`: which models a pair is made of, and how much dearer the target is than the draft."""

from __future__ import annotations

import os
import sys
from typing import Any

from confspec_cli.core.tasks import TaskName
from confspec_cli.core.units import size
from confspec_cli.models.registry import Model, Pair, Registry
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.store import Store
from confspec_cli.render.console import width_of
from confspec_cli.render.wording import labelled
from confspec_cli.runtime.folders import models_folder


def known_of_pair(registry: Registry, pair: Pair) -> dict[str, Any]:
    """What there is to know of a pair before it is loaded, JSON-ready; sizes in bytes."""
    store = Store(models_folder(os.environ))
    return {
        "pair": pair.name,
        "about": pair.about,
        "draft": _known_of_model(registry.role(pair.draft), store),
        "target": _known_of_model(registry.role(pair.target), store),
        "cost_ratio": registry.cost_ratio(pair),
        "calibrated_for": [task.value for task in TaskName if pair.is_calibrated_for(task)],
    }


def pair_as_text(known: dict[str, Any]) -> str:
    """The same for people."""
    ratio = known["cost_ratio"]
    measured = ", ".join(known["calibrated_for"])
    rows = [
        ("pair", known["pair"] + (f": {known['about']}" if known["about"] else "")),
        *((role, _described(known[role])) for role in ("draft", "target")),
        ("cost ratio", f"about {ratio:.1f}, by the size of the weights" if ratio else "unknown, as not both sizes are"),
        ("thresholds", f"measured for {measured}" if measured else "a cautious guess, not measured on this pair"),
    ]
    return labelled(rows, width_of(sys.stdout))


def _known_of_model(model: Model | RemoteModel, store: Store) -> dict[str, Any]:
    if isinstance(model, RemoteModel):
        return {"name": model.name, "url": model.address, "licence": model.licence}
    return {
        "name": model.name,
        "parameters": model.parameters,
        "quant": model.quant,
        "licence": model.licence,
        "thinks": model.thinks,
        "bytes": model.bytes,
        "here": store.find(model) is not None,
    }


def _described(model: dict[str, Any]) -> str:
    if "url" in model:
        return f"{model['name']}: on the server {model['url']}"
    parts = [
        f"{model['parameters']} parameters" if model["parameters"] else "",
        model["quant"],
        size(model["bytes"]) if model["bytes"] else "",
        model["licence"],
        "thinks before it answers" if model["thinks"] else "",
        "downloaded" if model["here"] else "not downloaded",
    ]
    return f"{model['name']}: {', '.join(filter(None, parts))}"
