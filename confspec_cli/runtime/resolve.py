"""Names become models: which pair is meant, and which model or file plays each part."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from confspec_cli.core.run_config import Mode, RunConfig, authors
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import UsageError
from confspec_cli.models.calibrations import Calibration, Setting
from confspec_cli.models.references import is_on_hub, is_reference, resolve
from confspec_cli.models.registry import Model, Pair, Registry, fingerprints, load
from confspec_cli.models.remote_models import RemoteModel, at_address, is_address
from confspec_cli.runtime.configure import setting_of
from confspec_cli.runtime.folders import own_file
from confspec_cli.runtime.offload import AUTO, best_here
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.remote import check_key

Place = Path | RemoteModel
"""What an engine is made from: the file to load, or the model to connect to."""


@dataclass(frozen=True, slots=True)
class ResolvedPair:
    """A pair's settings, and for each author a registered model, a file, or a model on a server.

    `measured` is the pair as it stands in models.yaml, with the gates that were measured on other models too; None
    where it is not these models that stand there.
    """

    pair: Pair
    roles: Mapping[Author, Model | Path | RemoteModel]
    measured: Pair | None = None

    def places(self, files: Mapping[Author, Path]) -> dict[Author, Place]:
        """What each engine is made from, given the files of the models that run here."""
        return {author: role if isinstance(role, RemoteModel) else files[author] for author, role in self.roles.items()}

    def warnings(self, config: RunConfig) -> tuple[str, ...]:
        """What is to be said of the gate, where it decides and was not measured on this kind of work."""
        task, setting = config.task.name, setting_of(config)
        trusted = self.pair.trusting_in(task, setting)
        if config.mode is not Mode.CONFSPEC or not config.gate.is_open or trusted.is_calibrated_for(task):
            return ()
        if self.measured is None:
            return ("these two models have no tuned thresholds; using cautious defaults",)
        begins_alone = config.adaptive and not config.gate.worth_drafting
        is_measured = self.measured.is_calibrated_for(task)
        # A plain question has no answer to tune on, and where the target begins alone nothing is risked.
        if task is TaskName.PLAIN or (begins_alone and not is_measured):
            return ()
        name, command = self.pair.name, f"confspec calibrate {self.pair.name} FILE"
        if self.pair.is_calibrated_for(task):
            how = f"with another {_differences(getattr(self.pair.calibrations, task.value), setting)}"
        else:
            how = "on other versions of its models"
        if is_measured:
            return (f'{name}\'s thresholds for task "{task.value}" were tuned {how}; to tune them: {command}',)
        return (
            f'{name} has no tuned thresholds for task "{task.value}"; using cautious defaults. To tune them: {command}',
        )


def _differences(calibration: Calibration, setting: Setting) -> str:
    """What of a setting is not as it was calibrated, in words."""
    names = {
        "prompts": "system prompt",
        "question": "verification question",
        "temperature": "temperature",
        "max_step_tokens": "maximum step length",
        "min_step_chars": "minimum step length",
    }
    changed = [word for key, word in names.items() if getattr(calibration.setting, key) != getattr(setting, key)]
    return " and ".join(changed)


def user_registry() -> Registry:
    """The pairs and models that can be asked for by name, the user's own among them. To be loaded once a command."""
    return load(own_file())


def resolve_pair(registry: Registry, options: RunOptions) -> ResolvedPair:
    """The pair asked for, with `draft` and `target` in their places.

    A pair changed by hand keeps its lengths, but not its gate: that was measured on other models. Raises ConfigError
    where the key of a model on a server is missing, or would be sent without encryption, and UsageError for an option
    without a name.
    """
    for option in ("pair", "draft", "target"):
        if getattr(options, option) == "":
            raise UsageError(f"--{option} is empty.", "confspec models list")
    pair = registry.pair(best_here(registry) if options.pair == AUTO else options.pair or registry.default_pair)
    given = {Author.DRAFT: options.draft, Author.TARGET: options.target}
    names = {Author.DRAFT: options.draft or pair.draft, Author.TARGET: options.target or pair.target}
    roles = {author: role_of(registry, names[author]) for author in authors(options.mode)}
    is_changed = any(given.values())
    if is_changed:
        pair = replace(Pair(pair.name, names[Author.DRAFT], names[Author.TARGET]), context=pair.context)
    trusted = pair.trusting(fingerprints(roles.values())) if len(roles) > 1 else pair
    return ResolvedPair(trusted, roles, None if is_changed else pair)


def role_of(registry: Registry, name: str) -> Model | Path | RemoteModel:
    """What a name, a reference, a path or an address stands for. Raises ModelMissing, UsageError, or ConfigError."""
    model: Model | RemoteModel
    if name in registry.models or not is_reference(name):
        model = registry.role(name)
    elif name.startswith("hf:") or is_on_hub(name):
        return resolve(name)
    elif is_address(name):
        model = at_address(name)
    else:
        return Path(name).expanduser()
    if isinstance(model, RemoteModel):
        check_key(model)
    return model
