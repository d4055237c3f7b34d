"""`confspec doctor`: what works here, what does not, and what to type next."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.diagnosis import Finding, Sight, Status, findings
from confspec_cli.errors import ConfspecError, Exit
from confspec_cli.folders import config_folder, models_folder
from confspec_cli.models.registry import Model, load
from confspec_cli.models.store import Store
from confspec_cli.render.base import Color
from confspec_cli.render.console import is_dumb, make_console

_PATIENCE = 120  # seconds for loading a model and a second of writing
_MARKS = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL"}


def doctor(
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Look at this installation: build, devices, a second of real writing, disks, hub, terminal; exit 1 if it fails."""
    found = list(findings(_sight()))
    if as_json:
        typer.echo(json.dumps({"schema_version": 1, "findings": [asdict(finding) for finding in found]}, indent=2))
    else:
        for finding in found:
            typer.echo(_line(finding))
    raise typer.Exit(Exit.FAILURE if any(finding.status is Status.FAIL for finding in found) else Exit.OK)


def _line(finding: Finding) -> str:
    line = f"{_MARKS[finding.status]}  {finding.check:<9}  {finding.says}"
    return f"{line}\n                 {finding.next}" if finding.next else line


def _sight() -> Sight:
    store = Store(models_folder(os.environ))
    model = _smallest(store)
    status, said, complaint = _tried(model[1] if model else None)
    hub, error, has_token, cache = _hub()
    return Sight(
        python=platform.python_version(),
        package=_version("llama-cpp-python"),
        maker=_gpu(),
        trial=said,
        exit_status=status,
        complaint=complaint,
        model=model[0].name if model else None,
        disks={str(place): shutil.disk_usage(_standing(place)).free for place in dict.fromkeys((store.folder, cache))},
        hub=hub,
        hub_error=error,
        has_token=has_token,
        terminal=_terminal(),
    )


def _smallest(store: Store) -> tuple[Model, Path] | None:
    """The smallest model that is here. A models.yaml that cannot be read is told by every other command."""
    try:
        registry = load(config_folder(os.environ) / "models.yaml")
    except ConfspecError:
        registry = load(None)
    here = [(model, paths[0]) for model in registry.models.values() if (paths := store.find(model))]
    return min(here, key=lambda pair: pair[0].bytes or pair[1].stat().st_size, default=None)


def _tried(path: Path | None) -> tuple[int, dict[str, Any] | None, str]:
    """The exit status of a process that loads llama.cpp and writes, what it printed, and its last complaint."""
    command = [sys.executable, "-m", "confspec_cli.engines.llamacpp.trial", *([str(path)] if path else [])]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return 1, None, f"it had not ended after {_PATIENCE} s"
    lines = done.stderr.strip().splitlines()
    complaint = lines[-1].partition(": ")[2] or lines[-1] if lines else ""
    return done.returncode, json.loads(done.stdout.splitlines()[-1]) if done.returncode == 0 else None, complaint


def _hub() -> tuple[str, str | None, bool, Path]:
    """The hub's address, what is wrong with it, whether there is a token, and where its cache is."""
    from confspec_cli.models.hub import reached  # noqa: PLC0415 - keeps huggingface_hub out of every start

    return reached()


def _gpu() -> str | None:
    """The maker of a GPU of this machine, as far as that can be told without its libraries."""
    if platform.system() == "Darwin" and platform.machine() == "arm64":
        return "apple"
    if shutil.which("nvidia-smi") or Path("/proc/driver/nvidia").exists():
        return "nvidia"
    if Path("/dev/kfd").exists():
        return "amd"
    return "other" if any(Path("/dev/dri").glob("renderD*")) else None


def _terminal() -> dict[str, Any]:
    console = make_console(sys.stderr, Color.AUTO, os.environ)
    return {
        "is_terminal": sys.stderr.isatty(),
        "width": console.width,
        "colours": console.color_system or "no colour",
        "dumb": is_dumb(os.environ),
        "encoding": sys.stderr.encoding,
    }


def _standing(place: Path) -> Path:
    return next(one for one in (place, *place.parents) if one.exists())


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
