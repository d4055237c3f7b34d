"""What fits on this machine: free memory, the best pair for it, and how many layers of each model go to a GPU."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from confspec_cli.core.trace import Author
from confspec_cli.core.units import size
from confspec_cli.engines.llamacpp.repacking import Repacking
from confspec_cli.errors import OutOfMemoryError
from confspec_cli.models import gguf
from confspec_cli.models.registry import Pair, Registry
from confspec_cli.runtime.memory_estimate import MemoryEstimate, estimate_memory, plan_layers
from confspec_cli.runtime.options import HardwareOptions

AUTO = "auto"
"""The pair that stands for the best one for this machine."""

CONTEXT = 8192
_BESIDES = 1.3  # a model that is not here yet: its files, and about this much for cache and computing
_AMPLE = 6  # times its files is more than any model takes at the usual context: then no file need be read
_BEARABLE = 8_000_000_000  # of a pair on a processor, in bytes: beyond, a token of its target takes half a second or so


@dataclass(frozen=True, slots=True)
class Machine:
    """Free memory in bytes, for the CPU and for each GPU by name; and which weights get repacked."""

    free: int
    gpus: dict[str, int]
    repacking: Repacking

    @property
    def room(self) -> int:
        """The memory a pair may use: that of the GPU, if there is one."""
        return max(self.gpus.values(), default=self.free)

    def as_dict(self) -> dict[str, int]:
        """Free memory, JSON-ready."""
        return {"processor": self.free, **self.gpus}

    def __str__(self) -> str:
        """Free memory, for people."""
        gpus = [f"{size(free)} on {name}" for name, free in self.gpus.items()]
        return ", ".join([*gpus, size(self.free)])


def machine() -> Machine:
    """This machine, as it is now."""
    from confspec_cli.engines.llamacpp.devices import can_offload, devices, repacking  # noqa: PLC0415 - loads llama.cpp

    found = devices()
    gpus = {device.name: device.free for device in found if not device.name.startswith(("CPU", "BLAS"))}
    total = next((device.free for device in found if device.name.startswith("CPU")), 0)
    return Machine(available() or total, gpus if can_offload() else {}, repacking())


def about(registry: Registry, pair: Pair) -> int:
    """Roughly what a pair needs here, in bytes, from the size of its files alone; some of its models may have none."""
    return round(_BESIDES * sum(model.bytes for model in registry.models_of(pair.name)))


def best(registry: Registry, here: Machine) -> Pair:
    """The largest pair that fits, by the size of its files; on a processor one that is not too slow to read along with.

    A pair with a model on a server is never chosen: what is asked leaves this machine only where somebody says so.
    Raises OutOfMemoryError where none fits.
    """
    room = here.room if here.gpus else min(here.room, _BEARABLE)
    local = [pair for pair in registry.pairs.values() if not {pair.draft, pair.target} & registry.remotes.keys()]
    fitting = [pair for pair in local if about(registry, pair) <= room]
    if not fitting:
        raise OutOfMemoryError(f"No pair fits: only {here} is free.", "confspec fit tiny --context 512")
    return max(fitting, key=lambda pair: about(registry, pair))


def best_here(registry: Registry) -> str:
    """The name of the best pair for this machine. Raises OutOfMemoryError where none fits."""
    return best(registry, machine_at_first()).name


@cache
def machine_at_first() -> Machine:
    """This machine as it was when first asked: loading models changes what is free."""
    return machine()


def as_placed(needs: Sequence[MemoryEstimate], here: Machine) -> list[MemoryEstimate]:
    """The same, but that nothing is repacked of a model that goes to the GPU whole."""
    if not here.gpus:
        return list(needs)
    plan = plan_layers(list(needs), here.room)
    return [replace(one, repacked=0) if share.whole else one for one, share in zip(needs, plan, strict=True)]


def left_over(needs: list[MemoryEstimate], here: Machine) -> int:
    """Bytes of CPU memory left with these models loaded, after offloading what fits; negative if they do not fit."""
    on_gpu = sum(share.bytes for share in plan_layers(needs, here.room)) if here.gpus else 0
    return here.free - max(0, sum(one.total for one in needs) - on_gpu)


def plan_offload(
    paths: Mapping[Author, Path], options: HardwareOptions, advice: str
) -> tuple[dict[Author, HardwareOptions], list[str]]:
    """The options of each model to load, with its GPU layers filled in, and the warnings to show.

    Layers are planned unless a number was given; the draft goes first, as it has to be quick. `advice` ends a warning
    that not everything fits. Raises OutOfMemoryError if everything was to go to a GPU and does not fit.
    """
    given = {author: None if options.gpu_only else options.layers_of(author) for author in paths}
    wanted = {author: replace(options, gpu_layers=layers) for author, layers in given.items()}
    if None not in given.values():
        return wanted, []
    here = machine()
    if not here.gpus:
        if options.gpu_only:
            raise OutOfMemoryError("There is no GPU that this build of llama.cpp can use.", "confspec doctor")
        most = _AMPLE * max(1, (options.context or 0) // CONTEXT) * sum(_bytes(path) for path in paths.values())
        return wanted, [] if most <= here.free else _lacking(_needs(paths, options, here), here, advice)
    needs = _needs(paths, options, here)
    notes = []
    for author, one, share in zip(paths, needs, plan_layers(needs, here.room), strict=True):
        if given[author] is not None:
            continue
        if not share.whole:
            notes.append(
                f"{author.value}: {share.layers} of {one.layers} layers fit on the GPU; the rest runs on the CPU"
            )
        wanted[author] = replace(options, gpu_layers=-1 if share.whole else share.layers)
    if notes and options.gpu_only:
        raise OutOfMemoryError(f"Not everything fits on the GPU ({', '.join(notes)}).", advice)
    return wanted, [f"{note}: {advice}" for note in notes] + _lacking(needs, here, advice)


def _needs(paths: Mapping[Author, Path], options: HardwareOptions, here: Machine) -> list[MemoryEstimate]:
    headers = [gguf.read(path) for path in paths.values()]
    for header in headers:
        gguf.check(header)
    return [estimate_memory(header, options.context or CONTEXT, options.kv_type, here.repacking) for header in headers]


def _lacking(needs: list[MemoryEstimate], here: Machine, advice: str) -> list[str]:
    """A warning if memory may run out; the system can still evict mapped weights."""
    lack = -left_over(needs, here)
    return (
        [f"these models need {size(lack)} more memory than is free; expect swapping or a crash: {advice}"]
        if lack > 0
        else []
    )


def _bytes(path: Path) -> int:
    """The size of all files of a model; 0 for one that does not exist."""
    return sum(one.stat().st_size for one in gguf.parts(path) if one.is_file())


def available() -> int | None:
    """Bytes the system could give to a program now, if it says."""
    try:
        lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
