"""What a configuration needs its models to be able to do, found out before anything runs."""

from __future__ import annotations

from collections.abc import Mapping

from confspec_cli.core.engine import Engine, Power
from confspec_cli.core.run_config import SOLE_AUTHOR, Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.errors import UsageError

_ALONE = "--mode target   # or another model"
_REFUSALS = {
    Power.LOGPROBS: (
        "The {role} {name} does not say how likely its tokens are, which this gate looks at.",
        "confspec calibrate PAIR FILE --signal verdict   # a gate without likelihoods",
    ),
    Power.LABELS: ("The {role} {name} gives no probabilities of Yes and No, so it cannot give a verdict.", _ALONE),
    Power.SCORE: (
        "The {role} {name} cannot score a step it did not write, which this gate needs.",
        "confspec calibrate PAIR FILE --signal verdict   # a gate that asks for verdicts",
    ),
    Power.GRAMMAR: (
        "The {role} {name} cannot be held to a grammar, so its answer cannot be given a form.",
        "leave out --schema and --format-answer",
    ),
}


def needed_powers(config: RunConfig) -> dict[Author, frozenset[Power]]:
    """The powers each model of the mode must have."""
    needs: dict[Author, set[Power]] = {author: set() for author in Author}
    gate = config.gate
    if config.mode is Mode.SPECREASON:
        needs[Author.TARGET].add(Power.LABELS)
    if config.is_gated:
        if gate.signal.is_asked_for:
            needs[Author.DRAFT].add(Power.LABELS)
            needs[Author.TARGET].add(Power.LABELS)
        if gate.signal.is_read:
            needs[Author.DRAFT].add(Power.LOGPROBS)
            needs[Author.TARGET].add(Power.SCORE)
        if gate.min_token_prob > 0:
            needs[Author.DRAFT].add(Power.LOGPROBS)
    if config.form:
        needs[SOLE_AUTHOR.get(config.mode, Author.TARGET)].add(Power.GRAMMAR)
    return {author: frozenset(powers) for author, powers in needs.items()}


def check_powers(config: RunConfig, models: Mapping[Author, Engine]) -> None:
    """Raise UsageError, with the model's name, where one lacks a power that the configuration needs."""
    needs = needed_powers(config)
    for author, engine in models.items():
        for power in (power for power in Power if power in needs[author] - engine.powers):
            sentence, hint = _REFUSALS[power]
            raise UsageError(sentence.format(role=author.value, name=engine.card.name), hint)
