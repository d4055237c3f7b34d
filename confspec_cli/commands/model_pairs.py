"""`confspec models pair`: the user's own pairs, in their models.yaml (whose comments are preserved)."""

from __future__ import annotations

import os
import sys
from functools import partial
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models as model_names
from confspec_cli.commands._completion import pairs as pair_names
from confspec_cli.commands._output import JsonFlag, put_json
from confspec_cli.commands.model_files import must_be_new
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import Exit, ModelMissing, UsageError, did_you_mean
from confspec_cli.models.registry import Model, Pair, Registry, fingerprints, load
from confspec_cli.models.store import Store
from confspec_cli.models.yaml_editing import put as keep
from confspec_cli.render.console import echo, put
from confspec_cli.runtime.folders import models_folder, own_file

app = typer.Typer(help="Create and change pairs in your models.yaml.")

_Pair = Annotated[str, typer.Argument(metavar="PAIR", autocompletion=pair_names, show_default=False)]
_Model = Annotated[str, typer.Argument(autocompletion=model_names, show_default=False)]
_GATE = ("signal", "accept", "reject", "target", "min_label_mass", "min_token_prob", "target_first", "worth_drafting")
_OWN = ("about", "context", "max_tokens", "max_step_tokens", "min_step_chars", "question", "task", "draft", "target")


@app.command("add")
def add(
    name: Annotated[str, typer.Argument(metavar="NAME", show_default=False)],
    draft: _Model,
    target: _Model,
    about: Annotated[str, typer.Option("--about", help="Description to show in the list.")] = "",
) -> None:
    """Create a pair from two models."""
    registry = load(own_file())
    must_be_new(name, registry)
    entry = {"draft": registry.role(draft).name, "target": registry.role(target).name}
    whole = {**entry, **({"about": about} if about else {})}
    keep(own_file(), (("pairs", name), whole), check=partial(must_be_new, name))
    put(sys.stderr, f"{name} added to {own_file()}; next: confspec models pair check {name}\n")


@app.command("set")
def change(
    name: _Pair,
    changes: Annotated[
        list[str],
        typer.Argument(
            metavar="KEY=VALUE...", help="For example gate.accept=0.8 or context=8192; KEY= removes a setting."
        ),
    ],
) -> None:
    """Change a pair's settings."""
    load(own_file()).pair(name)
    keep(own_file(), *((("pairs", name, *_key(text)), _value(text)) for text in changes))
    put(sys.stderr, f"saved in {own_file()}\n")


@app.command("rm")
def remove(name: _Pair) -> None:
    """Remove your own pair, or your changes to a built-in one."""
    registry, shipped = load(own_file()), load(None)
    registry.pair(name)
    if name in shipped.pairs and registry.pairs[name] == shipped.pairs[name]:
        raise UsageError(f"{name} is built in and cannot be removed.", "confspec models pair default OTHER")
    if registry.default_pair == name and name not in shipped.pairs:
        raise UsageError(f"{name} is the default pair.", "confspec models pair default OTHER")
    keep(own_file(), (("pairs", name), None))
    put(sys.stderr, f"{name} removed from {own_file()}\n")


@app.command("default")
def default(name: _Pair) -> None:
    """Set the default pair."""
    load(own_file()).pair(name)
    keep(own_file(), (("default_pair",), name))
    put(sys.stderr, f"{name} is now the default pair (saved in {own_file()})\n")


@app.command("check")
def check(name: _Pair, as_json: JsonFlag = False) -> None:
    """Check whether a pair is ready to use: files, sizes, thresholds (exit 3 if not)."""
    registry = load(own_file())
    pair = registry.pair(name)
    store = Store(models_folder(os.environ))
    local = [registry.models[part] for part in (pair.draft, pair.target) if part in registry.models]
    missing = [model.name for model in local if store.find(model) is None]
    findings = [(f"{model} is not downloaded", f"confspec pull {model}") for model in missing]
    findings += _doubts(registry, pair)
    if as_json:
        listed = [{"says": says, "next": command} for says, command in findings]
        put_json({"schema_version": 1, "pair": name, "downloaded": not missing, "findings": listed})
    for says, command in findings if not as_json else ():
        echo(f"{says}: {command}" if command else says)
    if missing:
        raise ModelMissing(f"{name} cannot be used until its models are downloaded.", f"confspec pull {name}")
    if not findings and not as_json:
        echo(f"{name} is {'downloaded' if local else 'ready'}, and its thresholds were tuned on it")
    raise typer.Exit(Exit.OK)


def _doubts(registry: Registry, pair: Pair) -> list[tuple[str, str]]:
    draft, target = registry.role(pair.draft), registry.role(pair.target)
    command = f"confspec calibrate {pair.name} FILE"
    found = []
    if (registry.cost_ratio(pair) or 1) < 1:
        swap = f"confspec models pair set {pair.name} draft={target.name} target={draft.name}"
        found.append((f"the draft {draft.name} is larger than the target", swap))
    if isinstance(draft, Model) and isinstance(target, Model) and draft.thinks != target.thinks:
        thinker = draft.name if draft.thinks else target.name
        found.append((f"only {thinker} is a reasoning model (<think> tags): the other will write in its style", ""))
    trusted = pair.trusting(fingerprints((draft, target)))
    for task in TaskName:
        if pair.is_calibrated_for(task) and not trusted.is_calibrated_for(task):
            found.append((f"the thresholds for {task.value} were tuned on other versions of these models", command))
    unmeasured = [task.value for task in TaskName if not pair.is_calibrated_for(task)]
    if unmeasured:
        found.append((f"thresholds for {', '.join(unmeasured)} are defaults, not tuned", command))
    return found


def _key(text: str) -> list[str]:
    """The path of the setting that a change names. Raises UsageError for one that no pair has."""
    key, equals, _ = text.partition("=")
    places = ["gate", *(f"gates.{task.value}" for task in TaskName)]
    known = [*_OWN, *(f"{place}.{name}" for place in places for name in _GATE)]
    if not equals or key not in known:
        raise UsageError(
            f'A pair has no setting "{key}"{did_you_mean(key, known)}', "confspec models pair set PAIR gate.accept=0.8"
        )
    return key.split(".")


def _value(text: str) -> Any:
    """The value a change sets: a number, true or false, or text; None removes the setting."""
    value = text.partition("=")[2]
    if value in ("true", "false"):
        return value == "true"
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            continue
    return value or None
