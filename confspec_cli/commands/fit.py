"""`confspec fit`: how much memory a pair needs, and whether this machine has it."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import pairs
from confspec_cli.commands._output import JsonFlag, put_json
from confspec_cli.commands.pair_show import choices_document, prediction_as_lines
from confspec_cli.core.trace import Author
from confspec_cli.core.units import size
from confspec_cli.errors import OutOfMemoryError
from confspec_cli.models import gguf
from confspec_cli.models.registry import Pair, Registry, load
from confspec_cli.models.store import Store
from confspec_cli.render.console import echo, width_of
from confspec_cli.render.wording import columns
from confspec_cli.runtime.device_costs import PROCESSOR_RATE
from confspec_cli.runtime.folders import models_folder, own_file
from confspec_cli.runtime.memory_estimate import MemoryEstimate, Offload, estimate_memory, plan_layers
from confspec_cli.runtime.offload import AUTO, CONTEXT, Machine, about, as_placed, best, left_over, machine
from confspec_cli.runtime.options import KV_TYPES, check_kv_type
from confspec_cli.runtime.prediction import Prediction, predict

_LEAST = 512  # tokens: a shorter context is of no use


def fit(
    name: Annotated[
        str | None,
        typer.Argument(metavar="[PAIR]", autocompletion=pairs, show_default="the best built-in pair that fits"),
    ] = None,
    context: Annotated[
        int | None, typer.Option("--context", help="Context size of each model, in tokens.", min=256)
    ] = None,
    kv_type: Annotated[str, typer.Option("--kv-type", help="KV cache type: f16, q8_0 or q4_0.")] = "f16",
    as_json: JsonFlag = False,
) -> None:
    """Show how much memory a pair needs, whether it fits this machine (exit 4 if not), and what it would do here.

    Models on a server need no memory here and are left out.
    """
    check_kv_type(kv_type)
    registry, here = load(own_file()), machine()
    pair = registry.pair(name) if name not in (None, AUTO) else best(registry, here)
    wish = _Wish(context or pair.context or CONTEXT, kv_type)
    found, prediction = _headers(registry, pair), predict(registry, pair)
    if found is None:
        if name in (None, AUTO) and not as_json:
            echo(f"{_choice(pair, here)}\n")
        _from_sizes(registry, prediction, here, as_json)
        return
    headers = list(found.values())
    needs = dict(zip(found, _needs(headers, wish, here), strict=True))
    room, remedy = left_over(list(needs.values()), here), _remedy(headers, pair, wish, here)
    smaller = f"a smaller quantization of {pair.target}, or a smaller pair"
    if as_json:
        document = _document(pair, wish, needs, here)
        put_json({**document, "predicted": choices_document(prediction)})
    else:
        if name in (None, AUTO):
            echo(f"{_choice(pair, here)}\n")
        echo(_table(pair, needs))
        echo(f"\nwith {kv_type} KV caches of {wish.context} tokens; free: {here}")
        for line in _placing(needs, here):
            echo(line)
        if room >= 0 and not _is_all_well(list(needs.values()), here):
            echo(f"to fit everything on the GPU: {remedy or smaller}")
        if room >= 0:
            echo(f"{pair.name} fits, with {size(room)} of memory to spare.")
            _tell_speed(prediction)
    if room < 0:
        raise OutOfMemoryError(
            f"{pair.name} needs {size(-room)} more memory than is free.", remedy or f"confspec fit   # or try {smaller}"
        )


def _choice(pair: Pair, here: Machine) -> str:
    """Which pair was chosen, why, and whether its thresholds are known."""
    slow = "" if here.gpus else " and is not too slow without a GPU"
    tuned = (
        ""
        if pair.calibrated
        else f"\nIts thresholds are not tuned yet. Once downloaded: confspec calibrate {pair.name} FILE"
    )
    return f"Best pair for this machine: {pair.name}, the largest that fits{slow}.{tuned}"


@dataclass(frozen=True, slots=True)
class _Wish:
    """What was asked for: a context in tokens, and a KV cache type."""

    context: int
    kv_type: str


def _headers(registry: Registry, pair: Pair) -> dict[Author, gguf.Header] | None:
    """The headers of the models that run here, None unless all are downloaded."""
    store = Store(models_folder(os.environ))
    models = registry.models_of(pair.name)
    parts = {Author.DRAFT: pair.draft, Author.TARGET: pair.target}
    headers = {}
    for author, name in parts.items():
        for paths in (store.find(model) for model in models if model.name == name):
            if not paths:
                return None
            headers[author] = gguf.read(paths[0])
            gguf.check(headers[author])
    return headers


def _needs(headers: list[gguf.Header], wish: _Wish, here: Machine) -> list[MemoryEstimate]:
    needs = [estimate_memory(header, wish.context, wish.kv_type, here.repacking) for header in headers]
    return as_placed(needs, here)


def _is_all_well(needs: list[MemoryEstimate], here: Machine) -> bool:
    """Whether everything fits: on the GPU, if there is one."""
    return all(share.whole for share in plan_layers(needs, here.room)) if here.gpus else left_over(needs, here) >= 0


def _from_sizes(registry: Registry, prediction: Prediction, here: Machine, as_json: bool) -> None:
    """Report on models that are not downloaded, by file size. Raises OutOfMemoryError if they do not fit."""
    pair = registry.pairs[prediction.pair]
    taken = about(registry, pair)
    fits = taken <= here.free + (here.room if here.gpus else 0)
    if as_json:
        known = {"schema_version": 1, "pair": pair.name, "here": False, "about": taken, "fits": fits}
        put_json({**known, "free": here.as_dict(), "predicted": choices_document(prediction)})
    else:
        verdict = "it fits" if fits else "it does not fit"
        echo(f"{pair.name} needs about {size(taken)}; {here} is free, so {verdict}.")
        if fits:
            _tell_speed(prediction)
        echo(f"Not downloaded yet. Next: confspec pull {pair.name}")
    if not fits:
        raise OutOfMemoryError(f"{pair.name} does not fit.", "confspec fit   # names the best pair that does")


def _tell_speed(prediction: Prediction) -> None:
    if prediction.choices:
        echo(prediction_as_lines(prediction))


def _table(pair: Pair, needs: Mapping[Author, MemoryEstimate]) -> str:
    rows: list[tuple[str, ...]] = [("MODEL", "WEIGHTS", "REPACKED", "KV CACHE", "BUFFERS", "TOTAL")]
    for author, one in needs.items():
        parts = (one.weights, one.repacked, one.kv, one.compute, one.total)
        name = pair.draft if author is Author.DRAFT else pair.target
        rows.append((f"{author.value} {name}", *(size(part) if part else "-" for part in parts)))
    return columns(rows, width_of(sys.stdout), folded=5)


def _placing(needs: Mapping[Author, MemoryEstimate], here: Machine) -> Iterator[str]:
    """Where each model goes, and what that means for its speed."""
    plan = plan_layers(list(needs.values()), here.room) if here.gpus else [Offload(0, False, 0) for _ in needs]
    for (author, one), share in zip(needs.items(), plan, strict=True):
        role = author.value
        rest = one.weights * (one.layers - share.layers) // one.layers
        rate = PROCESSOR_RATE / max(rest, 1)
        speed = f"at most {rate:.0f} tokens/s (reads {size(rest)} per token)"
        if share.whole:
            yield f"{role}: all on the GPU, {size(share.bytes)}"
        elif share.layers:
            yield f"{role}: {share.layers} of {one.layers} layers on the GPU, {size(share.bytes)}; {speed}"
        else:
            yield f"{role}: on the CPU, {size(one.total)}; {speed}"


def _remedy(headers: list[gguf.Header], pair: Pair, wish: _Wish, here: Machine) -> str:
    """The command for the closest setting that fits: a smaller KV cache type or a shorter context; "" if none does."""
    kinds = KV_TYPES[KV_TYPES.index(wish.kv_type) :]
    for context in (wish.context, wish.context // 2, wish.context // 4):
        for kind in kinds:
            if context >= _LEAST and _is_all_well(_needs(headers, _Wish(context, kind), here), here):
                return f"confspec fit {pair.name} --context {context} --kv-type {kind}"
    return ""


def _document(pair: Pair, wish: _Wish, needs: Mapping[Author, MemoryEstimate], here: Machine) -> dict[str, Any]:
    models = {author.value: {**asdict(one), "total": one.total} for author, one in needs.items()}
    plan = [asdict(share) for share in plan_layers(list(needs.values()), here.room)] if here.gpus else []
    return {
        "schema_version": 1,
        "pair": pair.name,
        "here": True,
        "fits": left_over(list(needs.values()), here) >= 0,
        "context": wish.context,
        "kv_type": wish.kv_type,
        **models,
        "free": here.as_dict(),
        "gpu": plan,
    }
