"""Where the configuration of a run is decided, once: flag, then environment, then the pair, then the built-in value.

Typer reads flags and their CONFSPEC_* variables into RunOptions, and the registry lays the user's models.yaml over the
one that ships; here the options are laid over the pair.
"""

from __future__ import annotations

import hashlib
import secrets
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from confspec_cli.core.engine import Engine
from confspec_cli.core.gate import Gate
from confspec_cli.core.kind_of_work import kind_of
from confspec_cli.core.messages import Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.real import Real
from confspec_cli.core.run_config import Form, Mode, RunConfig
from confspec_cli.core.tasks import TASKS, TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import ConfigError, UsageError
from confspec_cli.models.calibrations import Setting
from confspec_cli.models.registry import Pair
from confspec_cli.runtime.options import RunOptions

MAX_TOKENS = 2048
MAX_STEP_TOKENS = 128
SPECREASON_STEP_TOKENS = 512  # as its authors have it
MIN_STEP_CHARS = 48

_NO_MARKS = "its chat template has no thinking marks that confspec knows"


def build_config(pair: Pair, options: RunOptions, form: Form | None = None) -> RunConfig:
    """The configuration of a run. A seed nobody gave is drawn, and recorded.

    The pair's verification question is used only for the pair's own task; other tasks use theirs. Raises UsageError for
    options that contradict each other.
    """
    usual = pair.task or TaskName.MATH
    task = TASKS[options.task or usual]
    question = (pair.question if task.name is usual else None) or task.question
    if question not in QUESTIONS:
        raise ConfigError(f"Unknown verification question {question!r}; known: {', '.join(QUESTIONS)}.")
    config = RunConfig(
        mode=options.mode,
        gate=pair.gate,
        question=QUESTIONS[question],
        sampling=_sampling(options),
        max_tokens=options.max_tokens or pair.max_tokens or MAX_TOKENS,
        max_step_tokens=options.max_step_tokens or _usual_step_tokens(pair, options.mode),
        min_step_chars=MIN_STEP_CHARS if pair.min_step_chars is None else pair.min_step_chars,
        task=task,
        think_budget=options.think_budget,
        form=form,
        adaptive=not options.always_draft,
        pair=_named(pair, options),
    )
    pair = pair.trusting_in(task.name, setting_of(config))
    gate = pair.gate_for(task.name)
    return replace(
        config,
        gate=with_thresholds(gate, options) if options.mode is Mode.CONFSPEC else gate,
        asks=not pair.is_calibrated_for(task.name),
    )


def for_question(options: RunOptions, pair: Pair, question: str, wants_answer: bool = False) -> RunOptions:
    """The options with the kind of work told from a question, where neither they nor the pair say what it is.

    `wants_answer`: the answer is to be taken from the reply, for which a plain question has no form.
    """
    kind = kind_of(question)
    if options.task or pair.task or (wants_answer and kind is TaskName.PLAIN):
        return options
    return replace(options, task=kind)


def for_questions(options: RunOptions, pair: Pair, questions: Sequence[str]) -> RunOptions:
    """The options with the kind of work that most questions are, where neither they nor the pair say what it is."""
    if options.task or pair.task or not questions:
        return options
    ((kind, _),) = Counter(map(kind_of, questions)).most_common(1)
    return replace(options, task=kind)


def setting_of(config: RunConfig) -> Setting:
    """What a calibration under this configuration holds for."""
    prompts = hashlib.sha256(f"{config.task.system}\0{config.task.system_thinking}".encode()).hexdigest()[:16]
    return Setting(
        prompts,
        config.question.text,
        Real(config.sampling.temperature),
        config.max_step_tokens,
        config.min_step_chars,
    )


def _named(pair: Pair, options: RunOptions) -> str:
    """The name of a pair, or of its models where one of them was chosen by hand."""
    return f"{Path(pair.draft).stem} + {Path(pair.target).stem}" if options.draft or options.target else pair.name


def _usual_step_tokens(pair: Pair, mode: Mode) -> int:
    return SPECREASON_STEP_TOKENS if mode is Mode.SPECREASON else pair.max_step_tokens or MAX_STEP_TOKENS


def with_thresholds(gate: Gate, options: RunOptions) -> Gate:
    """The thresholds given, laid over a gate; one alone moves the other along where they would cross.

    Whoever gives one wants drafting, even where the pair would begin with its target alone. Raises UsageError when one
    is outside 0..1 or both are given crossed.
    """
    for name in ("accept", "reject", "min_token_prob"):
        value = getattr(options, name)
        if value is not None and not 0 <= value <= 1:
            raise UsageError(f"--{name.replace('_', '-')} {value:g} is not between 0 and 1.", "confspec ask --help")
    if options.accept is not None and options.reject is not None and options.accept < options.reject:
        raise UsageError(
            f"--accept ({options.accept:g}) must not be below --reject ({options.reject:g}).",
            f"--accept {options.reject:g} --reject {options.accept:g}",
        )
    accept = gate.accept if options.accept is None else options.accept
    reject = gate.reject if options.reject is None else options.reject
    if accept < reject:
        accept, reject = (accept, accept) if options.reject is None else (reject, reject)
    least = gate.min_token_prob if options.min_token_prob is None else options.min_token_prob
    wanted = gate.worth_drafting or options.has_thresholds
    return replace(gate, accept=accept, reject=reject, min_token_prob=least, worth_drafting=wanted)


def thinks(options: RunOptions, loaded: Mapping[Author, Engine]) -> bool:
    """Whether the models think before they answer; the target decides, if there is one.

    Raises UsageError where that model does not know thinking and is told to do it.
    """
    card = (loaded.get(Author.TARGET) or loaded[Author.DRAFT]).card
    if options.think and not card.thinks:
        raise cannot_think(card.name)
    think = card.thinks if options.think is None else options.think
    if options.think_budget is not None and not think:
        reason = "it was told not to" if card.thinks else _NO_MARKS
        raise UsageError(f"{card.name} does not think, so it needs no budget: {reason}.", "leave out --think-budget")
    return think


def cannot_think(name: str) -> UsageError:
    """The error for a model that does not know thinking and is told to do it."""
    return UsageError(f"{name} is not a reasoning model: {_NO_MARKS}.", "leave out --think")


def _sampling(options: RunOptions) -> Sampling:
    seed = options.seed
    if seed is None:
        seed = secrets.randbelow(2**31) if options.temperature > 0 else 0
    return Sampling(
        options.temperature,
        options.top_k,
        options.top_p,
        options.min_p,
        seed,
        speculation=options.speculate,
    )
