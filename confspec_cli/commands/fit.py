"""`confspec fit`: what a pair takes in memory, and what of that there is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from typing import Annotated, Any

import typer

from confspec_cli import gguf
from confspec_cli.commands._completion import pairs
from confspec_cli.commands._keeping import own_file
from confspec_cli.commands._room import AUTO, CONTEXT, Machine, about, best, machine
from confspec_cli.commands._wiring import KV_TYPES
from confspec_cli.errors import OutOfMemoryError, UsageError
from confspec_cli.folders import models_folder
from confspec_cli.memory import Need, Share, need, shares
from confspec_cli.models.registry import Pair, Registry, load
from confspec_cli.models.store import Store
from confspec_cli.render.progress import size
from confspec_cli.render.wording import columns
from confspec_cli.repacking import Repacking


def fit(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PAIR]", autocompletion=pairs, show_default="the best shipped pair that fits"),
    ] = None,
    context: Annotated[int | None, typer.Option("--context", help="Context of each model, in tokens.", min=256)] = None,
    kv_type: Annotated[str, typer.Option("--kv-type", help="KV cache: f16, q8_0 or q4_0.")] = "f16",
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what both models of a pair take in memory, where they go, and what to do if they do not fit; exit 4 then."""
    if kv_type not in KV_TYPES:
        raise UsageError(f"There is no KV cache type {kv_type}.", f"one of: --kv-type {' '.join(KV_TYPES)}")
    registry, store, here = load(own_file()), Store(models_folder(os.environ)), machine()
    pair = registry.pair(name) if name not in (None, AUTO) else best(registry, here)
    length = context or pair.context or CONTEXT
    needs = _needs(registry, store, pair, (length, kv_type, here.repacking))
    if needs is None:
        _not_here(registry, pair, here)
        return
    plan = shares(needs, here.room) if here.gpus else []
    if as_json:
        typer.echo(json.dumps(_document(pair, (length, kv_type), needs, here), indent=2))
    else:
        typer.echo(_table(pair, needs))
        typer.echo(f"\nfor {length} tokens of {kv_type} cache each; free: {here}")
        for line in _placing(pair, needs, plan):
            typer.echo(line)
    total = sum(one.total for one in needs)
    if not here.gpus and total > here.free:
        raise OutOfMemoryError(f"{pair.name} takes {size(total)}, and {size(here.free)} are free.", _advice(kv_type))


def _needs(registry: Registry, store: Store, pair: Pair, asked: tuple[int, str, Repacking]) -> list[Need] | None:
    found = [store.find(registry.model(name)) for name in (pair.draft, pair.target)]
    if not all(found):
        return None
    headers = [gguf.read(paths[0]) for paths in found if paths]
    for header in headers:
        gguf.check(header)
    return [need(header, *asked) for header in headers]


def _not_here(registry: Registry, pair: Pair, here: Machine) -> None:
    bytes_ = about(registry, pair)
    fits = "fits" if bytes_ <= here.room else "does not fit"
    typer.echo(f"{pair.name} takes about {size(bytes_)} and {fits}: {here} are free")
    typer.echo(f"its models are not here, so no more can be told: confspec pull {pair.name}")


def _table(pair: Pair, needs: list[Need]) -> str:
    rows: list[tuple[str, ...]] = [("MODEL", "WEIGHTS", "REPACKED", "KV CACHE", "COMPUTING", "IN ALL")]
    for role, one in zip((f"draft {pair.draft}", f"target {pair.target}"), needs, strict=True):
        parts = (one.weights, one.repacked, one.kv, one.compute, one.total)
        rows.append((role, *(size(part) if part else "-" for part in parts)))
    return columns(rows)


def _placing(pair: Pair, needs: list[Need], plan: list[Share]) -> list[str]:
    """Where the models go. What is said of GPUs has been tried on none."""
    if not plan:
        return [f"{pair.name} goes to the processor: {size(sum(one.total for one in needs))} in all"]
    lines = []
    for role, one, share in zip(("draft", "target"), needs, plan, strict=True):
        what = "all of it" if share.whole else f"{share.layers} of {one.layers} layers"
        lines.append(f"{role}: {what} on the GPU, {size(share.bytes)}" if share.layers else f"{role}: on the processor")
    if not all(share.whole for share in plan):
        lines.append(f"what stays on the processor is many times slower: {_advice('f16')}")
    return lines


def _advice(kv_type: str) -> str:
    smaller = "--kv-type q8_0, or " if kv_type == "f16" else ""
    return f"confspec fit PAIR --context 4096   # or {smaller}a smaller quantisation or pair"


def _document(pair: Pair, asked: tuple[int, str], needs: list[Need], here: Machine) -> dict[str, Any]:
    draft, target = ({**asdict(one), "total": one.total} for one in needs)
    plan = [asdict(share) for share in shares(needs, here.room)] if here.gpus else []
    return {
        "schema_version": 1,
        "pair": pair.name,
        "context": asked[0],
        "kv_type": asked[1],
        "draft": draft,
        "target": target,
        "free": {"processor": here.free, **here.gpus},
        "gpu": plan,
    }
