"""`confspec models quantize`: a smaller or faster copy of a model, made on this machine."""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from time import monotonic
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import models as model_names
from confspec_cli.commands._output import QuietFlag
from confspec_cli.core.units import size
from confspec_cli.errors import Interrupted
from confspec_cli.models.quants import FILE_TYPES
from confspec_cli.models.registry import Registry, load
from confspec_cli.models.sources import ModelFile
from confspec_cli.models.store import Store
from confspec_cli.models.yaml_editing import put as keep
from confspec_cli.render.console import put
from confspec_cli.render.wording import duration
from confspec_cli.runtime.folders import models_folder, own_file
from confspec_cli.runtime.quantization import Quantization, make, plan


def quantize(
    model: Annotated[
        str,
        typer.Argument(
            metavar="MODEL", help="Model name or GGUF file.", autocompletion=model_names, show_default=False
        ),
    ],
    file_type: Annotated[
        str,
        typer.Argument(
            metavar="TYPE",
            help=f"One of {', '.join(FILE_TYPES)}.",
            autocompletion=lambda incomplete: [name for name in FILE_TYPES if name.startswith(incomplete.upper())],
            show_default=False,
        ),
    ],
    name: Annotated[
        str, typer.Option("--name", help="Name for the new model. [default: that of MODEL, with the new type]")
    ] = "",
    quiet: QuietFlag = False,
) -> None:
    """Make a quantized copy of a model, for example a Q4_0 draft that runs faster on a CPU.

    llama.cpp's quantizer writes it into confspec's model folder, and your models.yaml records what it was made from.
    The original stays. Quantizing a model that is quantized already costs some quality: measure it with confspec bench.
    """
    from confspec_cli.render.progress import watching  # noqa: PLC0415 - rich is slow to import

    registry, store = load(own_file()), Store(models_folder(os.environ))
    made = plan(model, file_type, name, registry, store)
    began = monotonic()
    try:
        with watching(sys.stderr, os.environ, quiet) as progress:
            file = make(made, store, progress)
    except Interrupted as stop:
        stop.hint = (
            f"confspec models quantize {shlex.quote(model)} {made.file_type} --name {made.name}   # nothing was kept"
        )
        raise
    try:
        keep(own_file(), (("models", made.name), _entry(made, file)))
    except BaseException:
        (store.folder / file.name).unlink(missing_ok=True)
        raise
    put(sys.stderr, "" if quiet else _told(made, file, monotonic() - began, registry))


def _entry(made: Quantization, file: ModelFile) -> dict[str, Any]:
    """The new model as it stands in models.yaml."""
    parent = made.parent
    about = {
        "licence": parent.licence,
        "quant": made.file_type,
        "parameters": parent.parameters,
        "thinks": parent.thinks,
    }
    files = [{**asdict(file), "sources": [asdict(source) for source in file.sources]}]
    return {**{key: value for key, value in about.items() if value}, "files": files}


def _told(made: Quantization, file: ModelFile, seconds: float, registry: Registry) -> str:
    """What was made, and how it is used."""
    lines = [
        f"{made.name} is ready: {size(file.bytes)} instead of {size(made.header.size)}, made in {duration(seconds)}"
    ]
    pairs = sorted(registry.pairs.values(), key=lambda pair: pair.name != registry.default_pair)
    pair = next((pair for pair in pairs if pair.draft == made.parent.name), None)
    if pair:
        lines += [
            f"Have {pair.name} use it as its draft: confspec models pair set {pair.name} draft={made.name}",
            f"Thresholds tuned with {made.parent.name} do not apply to it: confspec calibrate {pair.name} FILE",
        ]
    else:
        lines += [f'Try it: confspec ask --mode target --target {made.name} "What is 2 + 2?"']
    return "".join(f"{line}\n" for line in lines)
