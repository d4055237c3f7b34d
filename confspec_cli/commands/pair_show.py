"""`confspec models show PAIR`: which models a pair is made of, and how much dearer the target is than the draft."""

from __future__ import annotations

import os
import sys
import textwrap
from dataclasses import asdict, replace
from typing import Any

from confspec_cli.core.frontier import fastest
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.units import size
from confspec_cli.models.registry import Model, Pair, Registry
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.store import Store
from confspec_cli.render.console import width_of
from confspec_cli.render.wording import labelled, predicted
from confspec_cli.runtime.folders import models_folder
from confspec_cli.runtime.gate_choice import Frontier
from confspec_cli.runtime.prediction import Prediction


def known_of_pair(registry: Registry, pair: Pair, prediction: Prediction) -> dict[str, Any]:
    """What there is to know of a pair before it is loaded, JSON-ready; sizes in bytes."""
    store = Store(models_folder(os.environ))
    return {
        "pair": pair.name,
        "about": pair.about,
        "draft": _known_of_model(registry.role(pair.draft), store),
        "target": _known_of_model(registry.role(pair.target), store),
        "cost_ratio": registry.cost_ratio(pair),
        "calibrated_for": [task.value for task in TaskName if pair.is_calibrated_for(task)],
        "gates": {task.value: _gates(frontier, prediction) for task, frontier in prediction.frontiers.items()},
        "predicted": choices_document(prediction),
    }


def choices_document(prediction: Prediction) -> dict[str, Any]:
    """What is used for each kind of work on this machine and how fast that is, JSON-ready; seconds per answer."""
    return {
        task.value: {
            "gate": choice.name,
            "reason": choice.reason.value,
            "seconds": choice.seconds,
            "alone": choice.alone,
            "speedup": choice.speedup,
            "is_measured": choice.is_measured,
        }
        for task, choice in prediction.choices.items()
    }


def gates_as_text(prediction: Prediction) -> str:
    """The gates measured for each kind of work, with what they lose and take and their speed-up here."""
    from confspec_cli.evaluate.calibration import Promise  # noqa: PLC0415 - slow to import, and most pages show no gates
    from confspec_cli.evaluate.calibration_tables import frontier_sheet  # noqa: PLC0415

    choices, said = prediction.choices, []
    for task, one in prediction.frontiers.items():
        used = choices[task].name if task in choices else ""
        sheet = frontier_sheet(one.gates, Promise(one.bound, one.confidence), prediction.costs, used)
        promise = (
            f"may lose at most {one.bound:.0%} of the target's right answers, with {one.confidence:.0%} confidence"
        )
        lengths = f"tokens per answer, where the target alone writes {one.gates[0].alone:.0f}"
        lengths += "; * is used here" if any(gate.name == used for gate in one.gates) else ""
        said.append(replace(sheet, title=f"\n{task.value}: {promise}\n{lengths}").text().rstrip("\n"))
    return "\n".join([*said, *(["\n" + prediction_as_lines(prediction)] if choices else [])])


def prediction_as_text(prediction: Prediction) -> str:
    """The prediction for people, and how it becomes better known."""
    said = predicted(prediction.pair, prediction.choices)
    costs, frontiers = prediction.costs, prediction.frontiers
    best = ((task, fastest(one.keeping, costs)) for task, one in frontiers.items()) if costs else ()
    usable = [(task, one.name) for task, one in best if one]
    if prediction.is_measured or not usable:
        return said
    task, gate = usable[0]
    return f'{said}\nTo measure it: confspec ask -p {prediction.pair} --task {task.value} --gate {gate} "..."'


def prediction_as_lines(prediction: Prediction) -> str:
    """The same, wrapped to the window; a command stays on a line of its own."""
    said, *command = prediction_as_text(prediction).split("\n")
    width = width_of(sys.stdout)
    return "\n".join([textwrap.fill(said, width) if width else said, *command])


def pair_as_text(known: dict[str, Any]) -> str:
    """The pair for people."""
    ratio = known["cost_ratio"]
    measured = ", ".join(known["calibrated_for"])
    rows = [
        ("pair", known["pair"] + (f": {known['about']}" if known["about"] else "")),
        *((role, _described(known[role])) for role in ("draft", "target")),
        ("cost ratio", f"about {ratio:.1f}, by the size of the weights" if ratio else "unknown, as not both sizes are"),
        ("thresholds", f"measured for {measured}" if measured else "a cautious guess, not measured on this pair"),
    ]
    return labelled(rows, width_of(sys.stdout))


def _gates(frontier: Frontier, prediction: Prediction) -> dict[str, Any]:
    """The promise, and every gate with what it loses and takes; its speed-up where costs are known."""
    costs = prediction.costs
    rows = [{**asdict(one), "speedup": costs.speedup(one.work) if costs else None} for one in frontier.gates]
    return {"bound": frontier.bound, "confidence": frontier.confidence, "measured": rows}


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
