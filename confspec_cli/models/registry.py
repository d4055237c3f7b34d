"""The models and pairs that can be asked for by name: those that ship with confspec, and the user's over them.

Knows names, pins and thresholds; refuses to know whether a file is here.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from confspec_cli.core.gate import Gate
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import ConfigError, ModelMissing, UsageError, did_you_mean
from confspec_cli.models.calibrations import Calibration, Calibrations, Gates, Setting
from confspec_cli.models.models_yaml import shipped_table, table_of
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.sources import ModelFile
from confspec_cli.yaml_reading import text_of
from confspec_cli.yaml_tables import YamlTable, overlay, read


@dataclass(frozen=True, slots=True)
class Model:
    """A model and its files, in order; the first is the one to load. `thinks`: it reasons in a `<think>` block."""

    name: str
    files: tuple[ModelFile, ...]
    licence: str = ""
    quant: str = ""
    parameters: str = ""
    thinks: bool = False

    @property
    def bytes(self) -> int:
        """The size of all files; 0 for files that are not pinned."""
        return sum(file.bytes for file in self.files)


@dataclass(frozen=True, slots=True)
class Pair:
    """A draft and a target, models by name, with their gate and what else they want to be run with, where they do.

    `gates` stand in place of `gate` for the kinds of work they name. `max_tokens`, `context` are in tokens. `task` is
    the kind of work the pair is for, else `math`; `question` names one of the verification questions. `calibrated`: the
    gate was measured on this pair, not guessed.
    """

    name: str
    draft: str
    target: str
    about: str = ""
    gate: Gate = Gate()  # noqa: RUF009 - frozen
    gates: Gates = Gates()  # noqa: RUF009 - frozen
    calibrated: bool = False
    calibrations: Calibrations = Calibrations()  # noqa: RUF009 - frozen
    context: int | None = None
    max_tokens: int | None = None
    max_step_tokens: int | None = None
    min_step_chars: int | None = None
    question: str | None = None
    task: TaskName | None = None

    def __post_init__(self) -> None:
        for gate in (self.gate, *(gate for task in TaskName if (gate := getattr(self.gates, task.value)))):
            if gate.reject > gate.accept > 0 and gate.reject < 1:
                raise ValueError(f"gate: reject {gate.reject} is above accept {gate.accept}")

    def gate_for(self, task: TaskName) -> Gate:
        """The gate for a kind of work."""
        return getattr(self.gates, task.value) or self.gate

    def is_calibrated_for(self, task: TaskName) -> bool:
        """Whether the gate for a kind of work was measured on it."""
        return self.calibrated or getattr(self.calibrations, task.value) is not None

    def trusting(self, models: Sequence[str]) -> Pair:
        """The same, without the gates that were measured on models of other fingerprints."""
        return self._where(lambda _, one: list(one.models) == list(models))

    def trusting_in(self, task: TaskName, setting: Setting) -> Pair:
        """The same, without the gate for a kind of work if that was measured in another setting."""
        return self._where(lambda name, one: name != task.value or one.setting in (None, setting))

    def _where(self, is_valid: Callable[[str, Calibration], bool]) -> Pair:
        """The same, without the gates whose calibration is not valid."""
        fields = {task.value: getattr(self.calibrations, task.value) for task in TaskName}
        good = {name: one for name, one in fields.items() if one and is_valid(name, one)}
        gates = {name: getattr(self.gates, name) for name in fields if name in good or fields[name] is None}
        return replace(self, gates=Gates(**gates), calibrations=Calibrations(**good))


@dataclass(frozen=True, slots=True)
class Switches:
    """What a user turns on and off for good.

    `log`: runs are saved as sessions. `allow_code_execution`: code that models write is run to grade it.
    """

    log: bool = True
    allow_code_execution: bool = False


@dataclass(frozen=True, slots=True)
class Registry:
    """Models and pairs by name; no name is both. `remotes` are the models on servers, `models` those of files."""

    models: Mapping[str, Model]
    pairs: Mapping[str, Pair]
    default_pair: str
    remotes: Mapping[str, RemoteModel] = field(default_factory=dict)
    settings: Switches = Switches()

    def role(self, name: str) -> Model | RemoteModel:
        """The model of that name, wherever it runs; raises ModelMissing."""
        if name not in self.models and name not in self.remotes:
            guess = did_you_mean(name, [*self.models, *self.remotes])
            raise ModelMissing(f'Unknown model "{name}"{guess}', "confspec models")
        return self.models.get(name) or self.remotes[name]

    def model(self, name: str) -> Model:
        """The model of that name and its files; raises ModelMissing, or UsageError where it has none here."""
        self.role(name)
        return self.models_of(name)[0]

    def pair(self, name: str) -> Pair:
        """The pair of that name; raises ModelMissing."""
        if name not in self.pairs:
            raise ModelMissing(f'Unknown pair "{name}"' + did_you_mean(name, self.pairs), "confspec models")
        return self.pairs[name]

    def cost_ratio(self, pair: Pair) -> float | None:
        """How many times what the draft costs a token of the target may be expected to, by their weights, if known."""
        draft, target = (self.models[name].bytes if name in self.models else 0 for name in (pair.draft, pair.target))
        return target / draft if draft and target else None

    def models_of(self, name: str) -> tuple[Model, ...]:
        """Those of `roles_of` that have files here. Raises UsageError for none."""
        roles = self.roles_of(name)
        if found := tuple(role for role in roles if isinstance(role, Model)):
            return found
        hosts = " and ".join(dict.fromkeys(role.host for role in roles if isinstance(role, RemoteModel)))
        raise UsageError(f"{name} runs on {hosts}: there are no files of it here.", f"confspec models show {name}")

    def roles_of(self, name: str) -> tuple[Model | RemoteModel, ...]:
        """Draft and target of the pair of that name, or the model of that name; raises ModelMissing."""
        if name in self.pairs:
            return self.role(self.pairs[name].draft), self.role(self.pairs[name].target)
        if name in self.models or name in self.remotes:
            return (self.role(name),)
        guess = did_you_mean(name, [*self.pairs, *self.models, *self.remotes])
        raise ModelMissing(f'Unknown pair or model "{name}"{guess}', "confspec models")


def fingerprints(roles: Iterable[Model | Path | RemoteModel]) -> list[str]:
    """What tells models from others of the same name: the sha256 of the first file, of a file not pinned its name.

    Of a model on a server that is its address, which cannot tell that the server has changed what it serves.
    """
    return [_fingerprint(role) for role in roles]


def _fingerprint(role: Model | Path | RemoteModel) -> str:
    match role:
        case Model():
            return role.files[0].sha256 or role.files[0].name
        case RemoteModel():
            return role.address
        case _:
            return role.name


def is_shipped(model: Model) -> bool:
    """Whether a model is one of those that come with confspec, which were run before they were listed."""
    models = shipped_table().table("models")
    return model.name in models.values and read(Model, models.table(model.name), model.name).files == model.files


def load(user_file: Path | None) -> Registry:
    """The registry that ships, with the user's file over it if there is one; raises ConfigError, with the line."""
    text = text_of(user_file) if user_file else None
    return read_registry(text or "", user_file or Path("models.yaml"))


def read_registry(text: str, file: Path) -> Registry:
    """The registry that ships, with the text of the user's file over it; raises ConfigError, with the line."""
    table = _over(shipped_table(), table_of(text, file))
    models, pairs = table.table("models"), table.table("pairs")
    remotes = [name for name in models.values if "url" in models.table(name).values]
    default_pair = table.values.get("default_pair")
    registry = Registry(
        {name: read(Model, models.table(name), name) for name in models.values if name not in remotes},
        {name: read(Pair, pairs.table(name), name) for name in pairs.values},
        str(default_pair),
        {name: read(RemoteModel, models.table(name), name) for name in remotes},
        read(Switches, table.table("settings")),
    )
    _check(registry, models, pairs)
    if default_pair not in registry.pairs:
        guess = did_you_mean(registry.default_pair, registry.pairs)
        raise ConfigError(f'{table.at("default_pair")}: there is no pair "{default_pair}"{guess}')
    return registry


def _over(shipped: YamlTable, user: YamlTable) -> YamlTable:
    """Pairs merge key by key, and so do their gates; a model stands in place of the one of its name."""
    models = overlay(shipped.table("models"), user.table("models"), depth=0)
    pairs = overlay(shipped.table("pairs"), user.table("pairs"), depth=2)
    whole = overlay(shipped, user, depth=0)
    return YamlTable(whole.place, {**whole.values, "models": models, "pairs": pairs}, whole.places)


def _check(registry: Registry, models: YamlTable, pairs: YamlTable) -> None:
    """Whether everything that is named exists, and every name means one thing."""
    pins: dict[str, ModelFile] = {}
    for name in (*registry.models, *registry.remotes):
        if not re.fullmatch(r"\w[\w.:-]*", name) or name in registry.pairs:
            raise ConfigError(f'{models.at(name)}: "{name}" cannot be the name of a model, or is that of a pair.')
    for name, model in registry.models.items():
        for file in (file for file in model.files if not file.is_in_place):
            pin = pins.setdefault(file.name, file)
            if (pin.bytes, pin.sha256) != (file.bytes, file.sha256):
                raise ConfigError(f"{models.at(name)}: another model already has a different file named {file.name}.")
    for name, pair in registry.pairs.items():
        if not re.fullmatch(r"\w[\w.:-]*", name):
            raise ConfigError(f'{pairs.at(name)}: "{name}" cannot be the name of a pair.')
        for model_name in (pair.draft, pair.target):
            if model_name not in registry.models and model_name not in registry.remotes:
                guess = did_you_mean(model_name, [*registry.models, *registry.remotes])
                raise ConfigError(f'{pairs.at(name)}: pair {name} refers to an unknown model, "{model_name}"{guess}')
