"""The only place where families meet: names become files, files become engines, options become rules."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import typer

from confspec_cli.commands._options import GateOptions, ModelOptions, SamplingOptions, WorkOptions
from confspec_cli.core.conversation import Turn
from confspec_cli.core.engine import Engine
from confspec_cli.core.limits import Lengths, Thresholds, config
from confspec_cli.core.messages import Sampling
from confspec_cli.core.run_config import Mode, RunConfig, authors
from confspec_cli.core.tasks import TASKS, TaskName
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.errors import Exit, ModelMissing, UsageError
from confspec_cli.models.references import is_reference, resolve
from confspec_cli.models.registry import Model, Pair, fingerprints, load
from confspec_cli.models.store import Store, check_room
from confspec_cli.render.progress import size, watching
from confspec_cli.runtime.folders import config_folder, models_folder
from confspec_cli.runtime.offload import AUTO, best_here

KV_TYPES = ("f16", "q8_0", "q4_0")
NO_WORK = WorkOptions()


@dataclass(frozen=True, slots=True)
class ResolvedPair:
    """Who plays: the pair's settings, and for each author the name a person knows and a registered model or a file.

    `saves`: the user's models.yaml has runs saved as sessions. `measured`: the pair as it stands there, with the gates
    that were measured on other models too; None where it is not these models that stand there.
    """

    pair: Pair
    roles: Mapping[Author, Model | Path]
    saves: bool = True
    measured: Pair | None = None

    def warnings(self, config: RunConfig) -> tuple[str, ...]:
        """What is to be said of the gate, where it decides and was not measured on this kind of work."""
        task = config.task.name
        if config.mode is not Mode.CONFSPEC or not config.gate.is_open or self.pair.is_calibrated_for(task):
            return ()
        if self.measured is None:
            return ("no gate was measured for these two models, a cautious guess decides",)
        name, command = self.pair.name, f"confspec calibrate {self.pair.name} FILE"
        if self.measured.is_calibrated_for(task):
            return (f"the models of {name} have changed since its gate for {task.value} was measured: {command}",)
        return (f"the gate of {name} was not measured on {task.value}, it is a cautious guess: {command}",)


def resolve_pair(options: ModelOptions) -> ResolvedPair:
    """The pair asked for, with `--draft` and `--target` in their places.

    A pair changed by hand keeps its lengths, but not its gate: that was measured on other models.
    """
    registry = load(config_folder(os.environ) / "models.yaml")
    pair = registry.pair(best_here() if options.pair == AUTO else options.pair or registry.default_pair)
    given = {Author.DRAFT: options.draft, Author.TARGET: options.target}
    names = {Author.DRAFT: given[Author.DRAFT] or pair.draft, Author.TARGET: given[Author.TARGET] or pair.target}
    roles: dict[Author, Model | Path] = {}
    for author in authors(options.mode):
        name = names[author]
        if name in registry.models or not is_reference(name):
            roles[author] = registry.model(name)
        else:
            roles[author] = resolve(name) if name.startswith("hf:") else Path(name).expanduser()
    if any(given.values()):
        pair = replace(Pair(pair.name, names[Author.DRAFT], names[Author.TARGET]), context=pair.context)
    trusted = pair.trusting(fingerprints(roles.values())) if len(roles) > 1 else pair
    return ResolvedPair(trusted, roles, registry.settings.log, None if any(given.values()) else pair)


def as_before(options: ModelOptions, turns: Sequence[Turn]) -> ModelOptions:
    """The models a conversation was had with last, where none are named and they are known by these names still."""
    if not turns or options.pair or options.draft or options.target:
        return options
    registry = load(config_folder(os.environ) / "models.yaml")
    names = {author: card.name for author, card in turns[-1].started.models.items()}
    default = registry.pairs[registry.default_pair]
    for name, pair in {registry.default_pair: default, **registry.pairs}.items():
        if {"draft": pair.draft, "target": pair.target}.items() >= names.items():
            return replace(options, pair=name)
    known = {author: name for author, name in names.items() if name in registry.models}
    return replace(options, draft=known.get("draft"), target=known.get("target"))


def files(resolved: ResolvedPair, yes: bool) -> dict[Author, Path]:
    """The file to load for each author; pulls what is missing, after asking once on a terminal.

    Raises ModelMissing, naming the command to type, where nobody can be asked.
    """
    store = Store(models_folder(os.environ))
    wanted = {role.name: role for role in resolved.roles.values() if isinstance(role, Model)}
    missing = [model for model in wanted.values() if store.find(model) is None]
    if missing and not yes:
        _ask_to_pull(missing)
    if missing:
        plan = {planned.file: planned for model in missing for planned in store.plan(model)}
        check_room(plan.values())
        with watching(sys.stderr, os.environ, False, sum(planned.missing for planned in plan.values())) as watch:
            for model in missing:
                store.pull(model, watch)
    found = {name: (store.find(model) or [Path()])[0] for name, model in wanted.items()}
    return {author: found[role.name] if isinstance(role, Model) else role for author, role in resolved.roles.items()}


def _ask_to_pull(missing: list[Model]) -> None:
    sizes = ", ".join(f"{model.name} ({size(model.bytes)})" for model in missing)
    command = f"confspec pull {' '.join(model.name for model in missing)}"
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise ModelMissing(f"Not here yet: {sizes}.", command)
    if not typer.confirm(f"Not here yet: {sizes}. Pull now?", default=True, err=True):
        raise ModelMissing("Nothing was pulled.", command)


def build_config(
    resolved: ResolvedPair, mode: Mode, gate: GateOptions, sampling: SamplingOptions, work: WorkOptions = NO_WORK
) -> RunConfig:
    """The rules of a run: flags over the pair's settings. A seed nobody gave is drawn, and recorded.

    A pair's own verification question was chosen for its own kind of work; any other asks its own.
    """
    if mode is not Mode.CONFSPEC and (gate.accept, gate.reject, gate.min_token_prob) != (None, None, None):
        raise UsageError(f"--mode {mode.value} has no thresholds to turn.", "--mode confspec --accept 0.8")
    pair = resolved.pair
    usual = pair.task or TaskName.MATH
    task = TASKS[work.task or usual]
    question = (pair.question if task.name is usual else None) or task.question
    lengths = Lengths(gate.max_tokens, gate.max_step_tokens)
    own = Lengths(pair.max_tokens, pair.max_step_tokens, pair.min_step_chars)
    seed = secrets.randbelow(2**31) if sampling.seed is None and sampling.temperature > 0 else sampling.seed or 0
    chosen = Sampling(
        sampling.temperature,
        sampling.top_k,
        sampling.top_p,
        sampling.min_p,
        seed,
        speculation=sampling.speculate,
    )
    thresholds = Thresholds(gate.accept, gate.reject, gate.min_token_prob).over(pair.gate_for(task.name))
    return replace(
        config(mode, thresholds, question, chosen, lengths.over(own)),
        task=task,
        think_budget=work.think_budget,
        asks=not pair.is_calibrated_for(task.name),
        controlled=not gate.always_draft,
        overlaps=True,
    )


def thinks(work: WorkOptions, loaded: Mapping[Author, Engine]) -> bool:
    """Whether the models think before they answer, which the last to be loaded decides: the target, if there is one.

    Raises UsageError where that model does not know thinking and is told to do it or to leave it.
    """
    card = list(loaded.values())[-1].card
    if work.think is not None and not card.thinks:
        flag = "--think" if work.think else "--no-think"
        raise UsageError(f"{card.name} knows no thinking: its chat template has no place for it.", f"leave out {flag}")
    think = card.thinks if work.think is None else work.think
    if work.think_budget is not None and not think:
        reason = "it was told not to" if card.thinks else "its chat template has no place for it"
        raise UsageError(f"{card.name} does not think, so it needs no budget: {reason}.", "leave out --think-budget")
    return think


def exit_code(reason: FinishReason, signals: list[int]) -> Exit:
    """The exit code for how a run finished."""
    if signal.SIGTERM in signals:
        return Exit.TERMINATED
    return {
        FinishReason.STOP: Exit.OK,
        FinishReason.LENGTH: Exit.NO_ANSWER,
        FinishReason.REPETITION: Exit.NO_ANSWER,
        FinishReason.CONTEXT: Exit.CONTEXT_FULL,
        FinishReason.INTERRUPTED: Exit.INTERRUPTED,
    }[reason]
