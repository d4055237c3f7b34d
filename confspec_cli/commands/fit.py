"""`confspec fit`: what a pair takes in memory, and what of that there is."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli import gguf
from confspec_cli.commands._completion import pairs
from confspec_cli.commands._keeping import own_file
from confspec_cli.commands._wiring import KV_TYPES
from confspec_cli.errors import OutOfMemoryError, UsageError
from confspec_cli.folders import models_folder
from confspec_cli.memory import Need, Share, need, shares
from confspec_cli.models.registry import Pair, Registry, load
from confspec_cli.models.store import Store
from confspec_cli.render.progress import size
from confspec_cli.render.wording import columns

_CONTEXT = 8192
_BESIDES = 1.3  # a model that is not here yet: its files, and about this much for cache and computing


@dataclass(frozen=True, slots=True)
class _Machine:
    """What is free, in bytes: on the processor, and on each GPU by its name; whether weights are repacked."""

    free: int
    gpus: dict[str, int]
    repacks: bool

    @property
    def room(self) -> int:
        """What a pair may take: a GPU's memory where there is one."""
        return max(self.gpus.values(), default=self.free)


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
    registry, store, machine = load(own_file()), Store(models_folder(os.environ)), _machine()
    pair = registry.pair(name) if name else _best(registry, machine)
    length = context or pair.context or _CONTEXT
    needs = _needs(registry, store, pair, (length, kv_type, machine.repacks))
    if needs is None:
        _not_here(registry, pair, machine)
        return
    plan = shares(needs, machine.room) if machine.gpus else []
    if as_json:
        typer.echo(json.dumps(_document(pair, (length, kv_type), needs, machine), indent=2))
    else:
        typer.echo(_table(pair, needs))
        typer.echo(f"\nfor {length} tokens of {kv_type} cache each; free: {_free(machine)}")
        for line in _placing(pair, needs, plan):
            typer.echo(line)
    total = sum(one.total for one in needs)
    if not machine.gpus and total > machine.free:
        raise OutOfMemoryError(f"{pair.name} takes {size(total)}, and {size(machine.free)} are free.", _advice(kv_type))


def _needs(registry: Registry, store: Store, pair: Pair, asked: tuple[int, str, bool]) -> list[Need] | None:
    found = [store.find(registry.model(name)) for name in (pair.draft, pair.target)]
    if not all(found):
        return None
    headers = [gguf.read(paths[0]) for paths in found if paths]
    for header in headers:
        gguf.check(header)
    return [need(header, *asked) for header in headers]


def _not_here(registry: Registry, pair: Pair, machine: _Machine) -> None:
    about = _about(registry, pair)
    fits = "fits" if about <= machine.room else "does not fit"
    typer.echo(f"{pair.name} takes about {size(about)} and {fits}: {_free(machine)} are free")
    typer.echo(f"its models are not here, so no more can be told: confspec pull {pair.name}")


def _best(registry: Registry, machine: _Machine) -> Pair:
    """The largest pair that fits, by the size of its files. Raises OutOfMemoryError where none does."""
    fitting = [pair for pair in registry.pairs.values() if _about(registry, pair) <= machine.room]
    if not fitting:
        raise OutOfMemoryError(f"No pair fits: {_free(machine)} are free.", "confspec fit tiny --context 512")
    return max(fitting, key=lambda pair: _about(registry, pair))


def _about(registry: Registry, pair: Pair) -> int:
    return round(_BESIDES * sum(model.bytes for model in registry.models_of(pair.name)))


def _machine() -> _Machine:
    from confspec_cli.engines.llamacpp.devices import can_offload, devices, features  # noqa: PLC0415 - loads llama.cpp
    from confspec_cli.engines.llamacpp.native import has_amx  # noqa: PLC0415

    found = devices()
    gpus = {device.name: device.free for device in found if not device.name.startswith(("CPU", "BLAS"))}
    total = next((device.free for device in found if device.name.startswith("CPU")), 0)
    return _Machine(_available() or total, gpus if can_offload() else {}, "REPACK" in features() and not has_amx())


def _available() -> int | None:
    """What the system could give to a program now, where it says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)


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


def _free(machine: _Machine) -> str:
    gpus = [f"{size(free)} on {name}" for name, free in machine.gpus.items()]
    return ", ".join([*gpus, f"{size(machine.free)} of memory"])


def _document(pair: Pair, asked: tuple[int, str], needs: list[Need], machine: _Machine) -> dict[str, Any]:
    draft, target = ({**asdict(one), "total": one.total} for one in needs)
    plan = [asdict(share) for share in shares(needs, machine.room)] if machine.gpus else []
    return {
        "schema_version": 1,
        "pair": pair.name,
        "context": asked[0],
        "kv_type": asked[1],
        "draft": draft,
        "target": target,
        "free": {"processor": machine.free, **machine.gpus},
        "gpu": plan,
    }
