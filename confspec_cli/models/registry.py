"""The models and pairs that can be asked for by name: those that ship with confspec, and the user's over them.

Knows names, pins and thresholds; refuses to know whether a file is here.
"""

from __future__ import annotations

import importlib.resources
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from confspec_cli.core.gate import Gate
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import ConfigError, ModelMissing, did_you_mean
from confspec_cli.models.sources import ModelFile
from confspec_cli.yaml_reading import parse, text_of
from confspec_cli.yaml_tables import YamlTable, check_keys, overlay, read

SCHEMA = 2
"""The version of models.yaml this module reads; an older file is converted as it is read."""

OLD_KEYS = {"stop": "min_token_prob", "certainty": "min_label_mass", "pays": "worth_drafting"}
"""The keys of gates that had other names in schema 1."""


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
class Gates:
    """The gates of a pair that were measured on one kind of work alone."""

    math: Gate | None = None
    qa: Gate | None = None
    code: Gate | None = None
    plain: Gate | None = None


@dataclass(frozen=True, slots=True)
class Calibration:
    """How a gate was measured: the day, the problems and how many, the bound it keeps and with what confidence.

    `models` are the sha256 of draft and target as they were; a gate measured on others is not to be trusted.
    """

    date: str
    data: str
    problems: int
    steps: int
    method: str
    models: tuple[str, ...]
    bound: float | None = None
    confidence: float | None = None


@dataclass(frozen=True, slots=True)
class Calibrations:
    """The calibrations of a pair, by the kind of work."""

    math: Calibration | None = None
    qa: Calibration | None = None
    code: Calibration | None = None
    plain: Calibration | None = None


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
    gates: Gates = Gates()
    calibrated: bool = False
    calibrations: Calibrations = Calibrations()
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
        fields = {task.value: getattr(self.calibrations, task.value) for task in TaskName}
        good = {name: one for name, one in fields.items() if one and list(one.models) == list(models)}
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
    """Models and pairs by name; no name is both."""

    models: Mapping[str, Model]
    pairs: Mapping[str, Pair]
    default_pair: str
    settings: Switches = Switches()

    def model(self, name: str) -> Model:
        """The model of that name; raises ModelMissing."""
        if name not in self.models:
            raise ModelMissing(f'Unknown model "{name}"' + did_you_mean(name, self.models), "confspec models")
        return self.models[name]

    def pair(self, name: str) -> Pair:
        """The pair of that name; raises ModelMissing."""
        if name not in self.pairs:
            raise ModelMissing(f'Unknown pair "{name}"' + did_you_mean(name, self.pairs), "confspec models")
        return self.pairs[name]

    def cost_ratio(self, pair: Pair) -> float | None:
        """How many times what the draft costs a token of the target may be expected to, by their weights, if known."""
        draft, target = self.models_of(pair.name)
        return target.bytes / draft.bytes if draft.bytes and target.bytes else None

    def models_of(self, name: str) -> tuple[Model, ...]:
        """Draft and target of the pair of that name, or the model of that name; raises ModelMissing."""
        if name in self.pairs:
            return self.models[self.pairs[name].draft], self.models[self.pairs[name].target]
        if name in self.models:
            return (self.models[name],)
        guess = did_you_mean(name, [*self.pairs, *self.models])
        raise ModelMissing(f'Unknown pair or model "{name}"{guess}', "confspec models")


def fingerprints(roles: Iterable[Model | Path]) -> list[str]:
    """What tells models from others of the same name: the sha256 of the first file, of a file not pinned its name."""
    return [role.files[0].sha256 or role.files[0].name if isinstance(role, Model) else role.name for role in roles]


def is_shipped(model: Model) -> bool:
    """Whether a model is one of those that come with confspec, which were run before they were listed."""
    models = _shipped().table("models")
    return model.name in models.values and read(Model, models.table(model.name), model.name).files == model.files


def load(user_file: Path | None) -> Registry:
    """The registry that ships, with the user's file over it if there is one; raises ConfigError, with the line."""
    text = text_of(user_file) if user_file else None
    return read_registry(text or "", user_file or Path("models.yaml"))


def read_registry(text: str, file: Path) -> Registry:
    """The registry that ships, with the text of the user's file over it; raises ConfigError, with the line."""
    table = _over(_shipped(), _parse(text, file))
    models, pairs = table.table("models"), table.table("pairs")
    default_pair = table.values.get("default_pair")
    registry = Registry(
        {name: read(Model, models.table(name), name) for name in models.values},
        {name: read(Pair, pairs.table(name), name) for name in pairs.values},
        str(default_pair),
        read(Switches, table.table("settings")),
    )
    _check(registry, models, pairs)
    if default_pair not in registry.pairs:
        guess = did_you_mean(registry.default_pair, registry.pairs)
        raise ConfigError(f'{table.at("default_pair")}: there is no pair "{default_pair}"{guess}')
    return registry


def is_old(schema: object) -> bool:
    """Whether a file of this schema may hold the names of schema 1; one that names none was written by hand."""
    return schema in (1, None)


def _shipped() -> YamlTable:
    """The file inside the package; in a checkout it lies beside the package."""
    packaged = importlib.resources.files("confspec_cli") / "models.yaml"
    beside = Path(__file__).parents[2] / "models.yaml"
    for place in (packaged, beside):
        if place.is_file():
            return _parse(place.read_text(encoding="utf-8"), Path("models.yaml"))
    raise ConfigError("models.yaml is missing from this installation.", "pip install --force-reinstall confspec-cli")


def _parse(text: str, file: Path) -> YamlTable:
    """One models.yaml, its own keys and version checked."""
    table = parse(text, file)
    if not isinstance(table, YamlTable):
        raise ConfigError(f"{file} must be a table of the keys schema, default_pair, settings, models and pairs.")
    schema = table.values.get("schema", SCHEMA)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise ConfigError(f"{table.at('schema')}: schema must be {SCHEMA}.")
    if schema > SCHEMA:
        message = f"{table.at('schema')}: schema {schema} needs a later confspec; this one reads up to {SCHEMA}."
        raise ConfigError(message, "pip install --upgrade confspec-cli")
    if is_old(table.values.get("schema")):
        table = _converted(table)
    check_keys(table, ("schema", "default_pair", "settings", "models", "pairs"))
    return table


def _converted(table: YamlTable) -> YamlTable:
    """A models.yaml of schema 1 in the present one, which has other names for keys of gates."""

    def gate(inner: YamlTable) -> YamlTable:
        if clash := next((old for old, new in OLD_KEYS.items() if {old, new} <= set(inner.values)), None):
            raise ConfigError(f"{inner.at(clash)}: {clash} is the old name of {OLD_KEYS[clash]}, which is there too.")
        return YamlTable(
            inner.place,
            {OLD_KEYS.get(name, name): value for name, value in inner.values.items()},
            {OLD_KEYS.get(name, name): place for name, place in inner.places.items()},
        )

    def pair(inner: YamlTable) -> YamlTable:
        return inner.mapped({"gate": gate, "gates": lambda gates: gates.mapped(dict.fromkeys(gates.values, gate))})

    return table.mapped({"pairs": lambda pairs: pairs.mapped(dict.fromkeys(pairs.values, pair))})


def _over(shipped: YamlTable, user: YamlTable) -> YamlTable:
    """Pairs merge key by key, and so do their gates; a model stands in place of the one of its name."""
    models = overlay(shipped.table("models"), user.table("models"), depth=0)
    pairs = overlay(shipped.table("pairs"), user.table("pairs"), depth=2)
    whole = overlay(shipped, user, depth=0)
    return YamlTable(whole.place, {**whole.values, "models": models, "pairs": pairs}, whole.places)


def _check(registry: Registry, models: YamlTable, pairs: YamlTable) -> None:
    """Whether everything that is named exists, and every name means one thing."""
    pins: dict[str, ModelFile] = {}
    for name, model in registry.models.items():
        if not re.fullmatch(r"\w[\w.:-]*", name) or name in registry.pairs:
            raise ConfigError(f'{models.at(name)}: "{name}" cannot be the name of a model, or is that of a pair.')
        for file in (file for file in model.files if not file.is_in_place):
            pin = pins.setdefault(file.name, file)
            if (pin.bytes, pin.sha256) != (file.bytes, file.sha256):
                raise ConfigError(f"{models.at(name)}: another model has another file of the name {file.name}.")
    for name, pair in registry.pairs.items():
        if not re.fullmatch(r"\w[\w.:-]*", name):
            raise ConfigError(f'{pairs.at(name)}: "{name}" cannot be the name of a pair.')
        for model_name in (pair.draft, pair.target):
            if model_name not in registry.models:
                guess = did_you_mean(model_name, registry.models)
                raise ConfigError(
                    f'{pairs.at(name)}: pair {name} names a model that is not there, "{model_name}"{guess}'
                )
