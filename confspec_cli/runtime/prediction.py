"""What is predicted of a pair on this machine, before a model is loaded: who writes each kind of work, and how fast."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from confspec_cli.core.frontier import GateChoice, TokenCosts
from confspec_cli.core.messages import ModelCard
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.models import gguf
from confspec_cli.models.registry import Model, Pair, Registry, fingerprints
from confspec_cli.models.store import Store
from confspec_cli.runtime.device_costs import costs_here
from confspec_cli.runtime.folders import models_folder
from confspec_cli.runtime.gate_choice import Frontier, frontiers
from confspec_cli.runtime.offload import plan_offload
from confspec_cli.runtime.options import HardwareOptions


@dataclass(frozen=True, slots=True)
class Prediction:
    """The gates measured for a pair by kind of work, and what a token costs its models here.

    `costs` are None for models on a server, whose speed only a run tells. `is_measured`: by runs on this machine, and
    not by the sizes of the files.
    """

    pair: str
    frontiers: Mapping[TaskName, Frontier]
    costs: TokenCosts | None
    is_measured: bool = False

    @property
    def choices(self) -> dict[TaskName, GateChoice]:
        """What is used for each kind of work; nothing where that cannot be told."""
        if self.costs is None:
            return {}
        found = {task: frontier.choice(self.costs) for task, frontier in self.frontiers.items()}
        return {task: replace(choice, is_measured=self.is_measured) for task, choice in found.items()}


def predict(registry: Registry, pair: Pair) -> Prediction:
    """The prediction for a pair under the usual settings."""
    roles = {Author.DRAFT: registry.role(pair.draft), Author.TARGET: registry.role(pair.target)}
    measured = frontiers(pair.trusting(fingerprints(roles.values())))
    local = {author: role for author, role in roles.items() if isinstance(role, Model)}
    if len(local) < len(roles) or not measured:
        return Prediction(pair.name, measured, None)
    return Prediction(pair.name, measured, *costs_here(_cards(local, pair)))


def _cards(models: Mapping[Author, Model], pair: Pair) -> dict[Author, ModelCard]:
    """The models as they would be laid out here, as far as that shapes what they cost."""
    store = Store(models_folder(os.environ))
    paths = {author: found[0] for author, model in models.items() if (found := store.find(model))}
    layout = plan_offload(paths, HardwareOptions(context=pair.context), "")[0] if len(paths) == len(models) else {}

    def card(author: Author, model: Model) -> ModelCard:
        if author not in layout:
            return ModelCard(model.name, "", model.bytes, 0)
        path, layers = paths[author], layout[author].gpu_layers or 0
        layers = layers if layers >= 0 else _layers(path) + 1
        return ModelCard(model.name, path.name, model.bytes, 0, sha256=store.checked.sha256(path), gpu_layers=layers)

    return {author: card(author, model) for author, model in models.items()}


def _layers(path: Path) -> int:
    return gguf.read(path).number("block_count")
