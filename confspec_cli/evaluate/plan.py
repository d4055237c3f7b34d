"""What a benchmark is about to do: which modes, under which rules and conditions, onto which earlier results."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from confspec_cli.core.engine import Engine
from confspec_cli.core.frontier import ChoiceReason
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import UsageError
from confspec_cli.evaluate.problems import Problem
from confspec_cli.evaluate.results import Conditions, Results
from confspec_cli.models.registry import Pair
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.gate_choice import AUTO, check_gate, gate_names, with_gate_of_choice
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import ResolvedPair
from confspec_cli.runtime.system import system_snapshot
from confspec_cli.storage.jsonl_log import JsonlLog

RANDOM = "random"
"""The mode in which a draw decides about drafted steps: a control."""

ConfigByMode = Mapping[str, Mapping[TaskName, RunConfig]]


@dataclass(frozen=True, slots=True)
class Arm:
    """One of the ways a benchmark compares: a mode, and who guesses tokens ahead in it.

    If `by_chance`, a draw decides about drafted steps in place of the gate.
    """

    mode: Mode
    speculation: Speculation = Speculation.OFF
    by_chance: bool = False

    @property
    def name(self) -> str:
        """What it is called in results: the mode, and after a plus who guesses."""
        guesser = "" if self.speculation is Speculation.OFF else f"+{self.speculation.value}"
        return (RANDOM if self.by_chance else self.mode.value) + guesser


def arms_of(text: str) -> list[Arm]:
    """The arms in a list with commas. Raises UsageError for one that is none."""
    kinds = [*((mode, False) for mode in Mode), (Mode.CONFSPEC, True)]
    arms = (Arm(mode, speculation, by_chance) for mode, by_chance in kinds for speculation in Speculation)
    known = {arm.name: arm for arm in arms}
    usual = ",".join(mode.value for mode in Mode)
    names = [name.strip() for name in text.split(",") if name.strip()]
    for name in names:
        if name not in known:
            raise UsageError(f'Unknown mode "{name}".', f"--modes {usual},target+ngram")
    if not names:
        raise UsageError("No mode was given.", f"--modes {usual}")
    return [known[name] for name in dict.fromkeys(names)]


def widest(arms: Sequence[Arm]) -> Mode:
    """A mode that needs every model these arms need."""
    modes = {arm.mode for arm in arms}
    drafts = any(arm.speculation is Speculation.DRAFT for arm in arms)
    return Mode.CONFSPEC if len(modes) > 1 or drafts else modes.pop()


def config_by_arm(
    resolved: ResolvedPair,
    arms: Sequence[Arm],
    options: RunOptions,
    problems: Sequence[Problem],
    random_rate: float | None = None,
) -> ConfigByMode:
    """The configuration of each arm for every kind of work among the problems.

    Raises UsageError where steps are to be accepted by chance and nobody says how often.
    """
    if random_rate is None and any(arm.by_chance for arm in arms):
        raise UsageError(
            f"The mode {RANDOM} needs to know what share of the drafted steps to accept.",
            "--random-rate 0.7   # the share that stood in confspec, by the table of an earlier run",
        )
    tasks = [options.task] if options.task else list(dict.fromkeys(problem.task for problem in problems))
    seeded = replace(options, seed=options.seed or 0)

    def config(arm: Arm, task: TaskName) -> RunConfig:
        options = replace(seeded, mode=arm.mode, speculate=arm.speculation, task=task)
        built = build_config(resolved.pair, options)
        check_gate(resolved.pair, built, options)
        return replace(built, random_rate=random_rate) if arm.by_chance else built

    return {arm.name: {task: config(arm, task) for task in tasks} for arm in arms}


def with_gates(
    pair: Pair, config: ConfigByMode, options: RunOptions, models: Mapping[Author, Engine], results: Results
) -> ConfigByMode:
    """The same with each gate chosen that is to be; what was chosen for earlier results stays, unless one is named."""
    settings = results.conditions[-1].fixed.get("settings", {}) if results.conditions else {}

    def chosen(name: str, task: TaskName, rule: RunConfig) -> RunConfig:
        earlier = settings.get(name, {}).get(task.value, {})
        if rule.random_rate is not None:
            return rule
        if options.gate not in (None, AUTO) or earlier.get("gate") not in gate_names(pair, rule):
            return with_gate_of_choice(rule, pair, options, models)
        again = with_gate_of_choice(rule, pair, replace(options, gate=earlier["gate"]), models)
        reason = ChoiceReason(earlier["gate_reason"])
        return replace(again, choice=replace(again.choice, reason=reason)) if again.choice else again

    return {
        name: {task: chosen(name, task, rule) for task, rule in by_task.items()} for name, by_task in config.items()
    }


def warnings(resolved: ResolvedPair, config: ConfigByMode) -> list[str]:
    """What is to be said of the gates, each thing once."""
    every = (rule for by_task in config.values() for rule in by_task.values())
    return list(dict.fromkeys(doubt for rule in every for doubt in resolved.warnings(rule)))


def conditions(
    name: str, problems: Sequence[Problem], models: Mapping[Author, Engine], config: ConfigByMode, jobs: int = 1
) -> Conditions:
    """What the benchmark is about to run under, with so many runs at once."""
    wording = json.dumps([[problem.id, problem.prompt] for problem in problems])
    cards = {author.value: engine.card for author, engine in models.items()}
    fixed = {
        "models": {
            author: [card.file or f"{card.server} {card.identity}", card.bytes, card.sha256]
            for author, card in cards.items()
        },
        "context": {author: card.context for author, card in cards.items()},
        "settings": {
            mode: {task.value: rule.parameters() for task, rule in tasks.items()} for mode, tasks in config.items()
        },
    }
    around = {
        **system_snapshot(),
        "jobs": jobs,
        "problems": len(problems),
        "problems_sha256": hashlib.sha256(wording.encode()).hexdigest(),
        "gpu_layers": {author: card.gpu_layers for author, card in cards.items()},
    }
    return Conditions(Path(name).stem, fixed, around)


def begin(log: JsonlLog, results: Results, now: Conditions, problems: Sequence[Problem]) -> None:
    """Record the conditions. Raises UsageError if the file has results under other conditions or of other problems."""
    known = {problem.id: problem.sha256 for problem in problems}
    strange = [run.problem for run in results.runs if run.problem_sha256 not in ("", known.get(run.problem))]
    if strange:
        raise UsageError(
            f"{log.path} holds results for another problem with the id {strange[0]}; nothing was added.",
            "confspec bench FILE -o another-file",
        )
    if results.conditions:
        earlier = results.conditions[-1].fixed
        changed = [key for key in now.fixed if json.loads(json.dumps(now.fixed[key])) != earlier.get(key)]
        if changed:
            raise UsageError(
                f"{log.path} holds results for different {' and '.join(changed)}; nothing was added.",
                "confspec bench FILE -o another-file",
            )
    log.append(now.to_dict())
    results.conditions.append(now)
