"""What a token costs these models on this machine: learned from runs, kept in the cache, estimated before the first."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path

from confspec_cli.core.engine import Engine, Noticing
from confspec_cli.core.events import Event, RunStarted, StepJudged, StepWritten, Warned
from confspec_cli.core.frontier import TokenCosts
from confspec_cli.core.messages import ModelCard
from confspec_cli.core.trace import Author
from confspec_cli.errors import StorageError, UsageError
from confspec_cli.files import read_text, write_atomically
from confspec_cli.runtime.folders import costs_folder

_KINDS = ("drafting", "reading", "writing")
_ENOUGH = 64  # tokens from which on a cost counts as measured
_MEMORY = 20_000  # tokens after which what was measured before counts half
_PRICE = {False: 0.3, True: 0.05}  # of reading a token, over writing it
_ON_A_SERVER = 1 / 30  # seconds to write a token, where the server does not say how large its model is

PROCESSOR_RATE = 2.18e10
"""Bytes of weights that a processor reads in a second, as it does for each token it writes (docs/memory.md)."""
_GPU_RATE = 5e11

Sums = dict[str, tuple[float, float]]
"""Tokens and seconds by kind of work."""


def costs_here(cards: Mapping[Author, ModelCard]) -> tuple[TokenCosts, bool]:
    """What a token costs these models as they are laid out here, and whether all of that was measured.

    What was not measured is estimated from the sizes of the files, in proportion to what was.
    """
    sums = _known(_file(cards))
    prior = _prior(cards)
    known = {kind: seconds / tokens for kind, (tokens, seconds) in sums.items() if tokens >= _ENOUGH and seconds > 0}
    scale = sum(known[kind] / prior[kind] for kind in known) / len(known) if known else 1.0
    return TokenCosts(*(known.get(kind, prior[kind] * scale) for kind in _KINDS)), len(known) == len(_KINDS)


def learning(events: Iterable[Event], models: Mapping[Author, Engine], is_wanted: bool) -> Iterator[Event]:
    """The same events, with what the engines notice on the way as warnings.

    What the events say of costs is kept once they end, if that is wanted and can be.
    """
    heard = [notices for engine in models.values() if isinstance(engine, Noticing) for notices in [engine.notices]]
    sums: Sums = dict.fromkeys(_KINDS, (0.0, 0.0))
    try:
        for event in events:
            _count(event, sums)
            if not isinstance(event, RunStarted):
                yield from (Warned(notices.pop(0)) for notices in heard for _ in notices.copy())
            yield event
    finally:
        if is_wanted and len(models) == len(Author):
            keep_costs({author: models[author].card for author in Author}, sums)


def keep_costs(cards: Mapping[Author, ModelCard], new: Sums) -> None:
    """Add what tokens have cost these models to what is known, if it can be kept.

    Costs are compared with each other, and a machine has busier hours. So the first run in which something is drafted
    replaces what runs without drafting have told, and once all three are known such runs add nothing.
    """
    file = _file(cards)
    known = _known(file)
    if not new["drafting"][0] and all(known.get(kind, (0.0, 0.0))[0] >= _ENOUGH for kind in _KINDS):
        return
    if new["drafting"][0] and not known.get("drafting", (0.0, 0.0))[0]:
        known = {}
    total = {}
    for kind in _KINDS:
        tokens, seconds = known.get(kind, (0.0, 0.0))
        share = 0.5 if tokens > _MEMORY else 1.0
        total[kind] = tokens * share + new[kind][0], seconds * share + new[kind][1]
    with suppress(OSError, StorageError):  # a cache that cannot be written costs a better choice, not the answer
        file.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(file, json.dumps(total), mode=0o600)


def _count(event: Event, sums: Sums) -> None:
    match event:
        case StepWritten(written_step=one):
            kind, tokens = ("drafting" if one.author is Author.DRAFT else "writing"), one.tokens
            seconds = one.seconds - one.prefill_seconds
        case StepJudged(assessment=one) if one.by is Author.TARGET:
            kind, tokens, seconds = "reading", one.tokens, one.seconds
        case _:
            return
    sums[kind] = sums[kind][0] + tokens, sums[kind][1] + seconds


def _known(file: Path) -> Sums:
    """What a file says; nothing where there is none, or it is damaged."""
    with suppress(OSError, UsageError, ValueError, TypeError, AttributeError, RecursionError):
        told = json.loads(read_text(file))
        return {kind: (float(tokens), float(seconds)) for kind, (tokens, seconds) in told.items() if kind in _KINDS}
    return {}


def _file(cards: Mapping[Author, ModelCard]) -> Path:
    """The file for these models as they are laid out here."""
    known = [cards[author] for author in Author]
    mark = json.dumps([[card.file or f"{card.server} {card.identity}", card.sha256, card.gpu_layers] for card in known])
    return costs_folder(os.environ) / f"{hashlib.sha256(mark.encode()).hexdigest()[:16]}.json"


def _prior(cards: Mapping[Author, ModelCard]) -> dict[str, float]:
    """Seconds a token from sizes alone: to write one, all weights are read once. Servers are taken to have a GPU."""
    draft, target = (cards[author] for author in Author)
    price = _PRICE[target.gpu_layers > 0 or bool(target.server)]
    return {"drafting": _to_write(draft), "reading": _to_write(target) * price, "writing": _to_write(target)}


def _to_write(card: ModelCard) -> float:
    if card.server and not card.bytes:
        return _ON_A_SERVER
    return max(card.bytes, 1) / (_GPU_RATE if card.gpu_layers > 0 or card.server else PROCESSOR_RATE)
