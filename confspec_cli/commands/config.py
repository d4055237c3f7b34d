"""`confspec config`: every setting and where it comes from, the file to change them in, and where data lies."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Any

import typer

from confspec_cli.commands._editing import edited
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import HardwareFlags, RunFlags
from confspec_cli.commands._output import JsonFlag, put_json
from confspec_cli.core.trace import Author
from confspec_cli.core.units import size
from confspec_cli.files import read_text, write_atomically
from confspec_cli.models.own_settings import own_settings
from confspec_cli.models.registry import read_registry
from confspec_cli.render.console import echo, put
from confspec_cli.render.wording import columns
from confspec_cli.runtime import folders
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.gate_choice import AUTO, check_gate
from confspec_cli.runtime.options import HardwareOptions, RunOptions, check_kv_type
from confspec_cli.runtime.resolve import ResolvedPair, resolve_pair, user_registry

_OF_GATE = ("accept", "reject", "min_token_prob")
_OF_PAIR = ("task", "max_tokens", "max_step_tokens", "context")
_NEW = "# Your settings, over those that come with confspec; see: confspec config\nschema: 2\n"

app = typer.Typer(invoke_without_command=True, help="Show settings and where they come from; edit them.")


@app.callback()
def config(context: typer.Context, as_json: JsonFlag = False) -> None:
    """Show settings and where they come from; edit them."""
    if context.invoked_subcommand is None:
        command: Any = context.command
        shown = command.commands["show"]
        with shown.make_context("show", ["--json"] if as_json else [], parent=context) as inner:
            shown.invoke(inner)


@app.command()
@grouped
def show(*, invocation: typer.Context, as_json: JsonFlag = False, options: RunFlags, hardware: HardwareFlags) -> None:
    """Show every setting as it would be with these options, and where it comes from."""
    registry = user_registry()
    resolved = resolve_pair(registry, options)
    check_gate(resolved.pair, build_config(resolved.pair, options), options)
    check_kv_type(hardware.kv_type)
    typed = {str(one.name): _source(invocation, one) for one in invocation.command.params}
    own = _own(resolved, options)
    default = str(folders.own_file()) if "default_pair" in own else "built in"
    rows: list[tuple[str, Any, str]] = [("pair", resolved.pair.name, typed["pair"] or default)]
    values = _values(resolved, options, hardware)
    rows += [(name, value, typed[name] or _laid(name, own, resolved)) for name, value in values]
    rows.append(("log", registry.settings.log, str(folders.own_file()) if "log" in own else "built in"))
    if as_json:
        put_json(
            {"schema_version": 1, "settings": {name: {"value": one, "from": whence} for name, one, whence in rows}}
        )
    else:
        said = [(name.replace("_", "-"), _word(value), whence) for name, value, whence in rows]
        echo(columns([("SETTING", "VALUE", "FROM"), *said]))


@app.command()
def path() -> None:
    """Print the path of your models.yaml, even if there is none yet."""
    echo(str(folders.own_file()))


@app.command()
def edit() -> None:
    """Open your models.yaml in $EDITOR; a version that could not be read is discarded."""
    file = folders.own_file()
    new = edited(read_text(file) if file.exists() else _NEW, lambda text: read_registry(text, file))
    if new is None:
        put(sys.stderr, "Nothing was changed.\n")
        return
    file.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(file, new)
    put(sys.stderr, f"Saved in {file}\n")


@app.command()
def where(as_json: JsonFlag = False) -> None:
    """Show where confspec keeps its files, how much there is, and how to remove it all."""
    places = {
        "settings, templates": folders.config_folder(os.environ),
        "models": folders.models_folder(os.environ),
        "sessions": folders.sessions_folder(os.environ),
        "input history": folders.history_file(os.environ),
        "cache": folders.loaded_folder(os.environ).parent,
    }
    sizes = {what: _bytes(place) for what, place in places.items()}
    if as_json:
        listed = [{"what": what, "path": str(place), "bytes": sizes[what]} for what, place in places.items()]
        put_json({"schema_version": 1, "places": listed})
        return
    rows = [("WHAT", "SIZE", "WHERE")]
    rows += [(what, size(sizes[what] or 0) if sizes[what] else "-", str(place)) for what, place in places.items()]
    echo(columns(rows))
    here = [shlex.quote(str(place)) for what, place in places.items() if sizes[what] is not None]
    echo("\nTo remove it all, once you have looked at that list:")
    for line in ([f"rm -r {' '.join(here)}"] if here else []) + ["pip uninstall confspec-cli"]:
        echo(f"  {line}")


def _values(resolved: ResolvedPair, options: RunOptions, hardware: HardwareOptions) -> list[tuple[str, Any]]:
    """Each setting by the name of its option, and what it amounts to."""
    pair = resolved.pair
    parameters = build_config(pair, options).parameters()
    named = {
        "draft": options.draft or pair.draft,
        "target": options.target or pair.target,
        "mode": options.mode.value,
        "gate": options.gate or AUTO,
    }
    shaping = {name: parameters[name] for name in (*_OF_GATE, *_OF_PAIR[:-1], "temperature", "top_k", "top_p", "min_p")}
    more = {
        "seed": "random" if options.seed is None and options.temperature else options.seed or 0,
        "think": "the model's own" if options.think is None else options.think,
        "think_budget": options.think_budget,
        "speculate": options.speculate.value,
        "always_draft": options.always_draft,
        "context": hardware.context or pair.context or "the model's own",
        "threads": hardware.threads or "auto",
        "kv_type": hardware.kv_type,
        "gpu_layers": "auto" if hardware.gpu_layers is None else hardware.gpu_layers,
        "draft_gpu_layers": "auto" if (layers := hardware.layers_of(Author.DRAFT)) is None else layers,
        "gpu_only": hardware.gpu_only,
    }
    return list((named | shaping | more).items())


def _source(invocation: typer.Context, parameter: Any) -> str:
    """The option or variable that sets a parameter, or nothing."""
    match getattr(invocation.get_parameter_source(parameter.name), "name", ""):
        case "COMMANDLINE":
            return "command line"
        case "ENVIRONMENT":
            return str(parameter.envvar)
    return ""


def _own(resolved: ResolvedPair, options: RunOptions) -> set[str]:
    """The keys of the user's models.yaml that count here."""
    task = build_config(resolved.pair, options).task.name.value
    is_measured = getattr(resolved.pair.gates, task) is not None
    return own_settings(folders.own_file(), resolved.pair.name, task if is_measured else "gate")


def _laid(name: str, own: set[str], resolved: ResolvedPair) -> str:
    """Where a setting comes from that no option sets."""
    if name in own and name in (*_OF_GATE, *_OF_PAIR, "draft", "target"):
        return str(folders.own_file())
    pair = resolved.pair
    is_of_pair = name in (*_OF_GATE, "draft", "target") or (name in _OF_PAIR and getattr(pair, name) is not None)
    return f"pair {pair.name}" if is_of_pair else "built in"


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "on" if value else "off"
    return "none" if value is None else f"{value:g}" if isinstance(value, float) else str(value)


def _bytes(place: Path) -> int | None:
    """The size of a file or of what is in a folder; None where there is none."""
    if place.is_dir():
        return sum(file.lstat().st_size for file in place.rglob("*") if file.is_file())
    return place.stat().st_size if place.is_file() else None
