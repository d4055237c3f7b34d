"""`confspec bench project`: recorded runs, or a pair's measured gates, at the costs of other devices."""

from __future__ import annotations

import json
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._output import ShortJsonFlag, with_json
from confspec_cli.core.frontier import TokenCosts
from confspec_cli.errors import UsageError
from confspec_cli.evaluate import costs
from confspec_cli.evaluate.devices import DeviceProfile, devices_of, shipped_devices
from confspec_cli.evaluate.frontier_projection import GIVEN, frontier_projection
from confspec_cli.evaluate.projection import projection
from confspec_cli.evaluate.results import Results, read_results
from confspec_cli.evaluate.summary import summarise
from confspec_cli.evaluate.tables import Layout, shown
from confspec_cli.render.console import put
from confspec_cli.runtime.prediction import Prediction, predict
from confspec_cli.runtime.resolve import user_registry
from confspec_cli.storage.jsonl_log import JsonlLog


def project(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RESULTS|PAIR",
            help="Results file of a benchmark, or a pair with measured gates.",
            show_default=False,
        ),
    ],
    costs_file: Annotated[
        Path | None,
        typer.Option(
            "--costs",
            help="JSON file with the costs to assume; of a PAIR, a profile of a device. [default: those measured in "
            "RESULTS; of a PAIR, those of this machine and of the devices that are known]",
            metavar="FILE",
        ),
    ] = None,
    ratio: Annotated[
        float | None,
        typer.Option("--ratio", help="For a PAIR: the cost of a target token over a draft token.", min=0.01),
    ] = None,
    price: Annotated[
        float, typer.Option("--price", help="With --ratio: the cost of reading a token over writing it.", min=0)
    ] = 0.05,
    layout: Annotated[Layout, typer.Option("--format", help="Format of what goes to stdout.")] = Layout.TEXT,
    as_json: ShortJsonFlag = False,
) -> None:
    """Estimate the same run on another pair or device (a projection, not a measurement).

    The output of --format json includes the costs; edit it and pass it back with --costs. Of a pair with measured gates
    it tells which of them would be used at which costs, how fast it would be, and from which costs on each gate pays.
    """
    layout, registry = with_json(layout, as_json), user_registry()
    if what in registry.pairs and not Path(what).is_file():
        prediction = predict(registry, registry.pairs[what])
        if not prediction.frontiers:
            raise UsageError(f"{what} has no measured gates.", f"confspec calibrate {what} FILE")
        given = {GIVEN: TokenCosts(1 / ratio, price, 1.0)} if ratio else {}
        devices = given or _devices(prediction, costs_file)
        put(sys.stdout, shown(frontier_projection(prediction.frontiers, devices), layout))
        return
    read = read_file(Path(what))
    assumed = costs.from_dict(_json(costs_file), str(costs_file)) if costs_file else None
    put(sys.stdout, projection(summarise(read), read, assumed, layout))


def _devices(prediction: Prediction, file: Path | None) -> dict[str, DeviceProfile | TokenCosts]:
    """The devices in a file, else those that are known for the pair and then this machine."""
    if file:
        return {one.device: one for one in devices_of(_json(file), str(file))}
    known: dict[str, DeviceProfile | TokenCosts] = {
        one.device: one for one in shipped_devices() if one.pair == prediction.pair
    }
    if prediction.costs:
        known["this machine" if prediction.is_measured else "this machine (estimated)"] = prediction.costs
    if not known:
        raise UsageError("No device is known for this pair.", f"confspec bench project {prediction.pair} --ratio 6")
    return known


def read_file(path: Path) -> Results:
    """The results of a benchmark. Raises UsageError where there is no such file, or nothing in it."""
    if not path.is_file():
        raise UsageError(f"No such file: {path}.", "confspec bench FILE -o RESULTS")
    read = read_results(JsonlLog(path).lines(), str(path))
    if not read.runs:
        raise UsageError(f"{path} holds no results.", f"confspec bench FILE -o {shlex.quote(str(path))}")
    return read


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as problem:
        raise UsageError(f"{path} cannot be read as JSON: {problem}.", "confspec bench project --help") from problem
