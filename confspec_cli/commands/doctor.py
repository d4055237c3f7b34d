"""`confspec doctor`: check this installation, and say what to type about each problem."""

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
from typing import Any

import typer

from confspec_cli.child_process import python_module
from confspec_cli.commands._output import JsonFlag, QuietFlag, put_json
from confspec_cli.commands.pair_show import prediction_as_text
from confspec_cli.commands.server_models import reached
from confspec_cli.errors import ConfspecError, Exit
from confspec_cli.models.partial import accepted_prefix
from confspec_cli.models.registry import Registry, load
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.store import Store
from confspec_cli.render.console import echo, is_dumb, make_console
from confspec_cli.render.options import Color
from confspec_cli.runtime.diagnosis import INSTALL, Finding, Status, SystemSnapshot, findings
from confspec_cli.runtime.folders import models_folder, own_file
from confspec_cli.runtime.offload import available
from confspec_cli.runtime.prediction import predict

_PATIENCE = 120  # seconds for loading a model and generating for a second
_MARKS = {Status.OK: "ok  ", Status.WARN: "warn", Status.FAIL: "FAIL"}


def doctor(as_json: JsonFlag = False, quiet: QuietFlag = False) -> None:
    """Check this installation: llama.cpp, devices, generation speed, disk space, hub, servers (exit 1 on failure)."""
    found = list(findings(_snapshot()))
    if as_json:
        findings_ = [asdict(finding) for finding in found]
        put_json({"schema_version": 1, "findings": findings_, "install": INSTALL})
    else:
        for finding in found:
            if not (quiet and finding.status is Status.OK):
                echo(_line(finding))
    raise typer.Exit(Exit.FAILURE if any(finding.status is Status.FAIL for finding in found) else Exit.OK)


def _line(finding: Finding) -> str:
    line = f"{_MARKS[finding.status]}  {finding.check:<10}  {finding.says}"
    return f"{line}\n                  {finding.next}" if finding.next else line


def _snapshot() -> SystemSnapshot:
    store = Store(models_folder(os.environ))
    registry, settings = _registry()
    here = [(model, paths) for model in registry.models.values() if (paths := store.find(model))]
    files = {path.resolve(): path.stat().st_size for _, paths in here for path in paths}
    smallest = min(here, key=lambda pair: sum(path.stat().st_size for path in pair[1]), default=None)
    status, selftest, complaint = _selftest(smallest[1][0] if smallest else None)
    hub, error, has_token, cache = _hub()
    return SystemSnapshot(
        python=platform.python_version(),
        package=_version("llama-cpp-python"),
        maker=_gpu(),
        free=available(),
        selftest=selftest,
        exit_status=status,
        complaint=complaint,
        model=smallest[0].name if smallest else None,
        settings=settings,
        models=(len(here), sum(files.values())),
        partial=sum(path.stat().st_size for path in store.leftovers()),
        disks={
            str(place): shutil.disk_usage(accepted_prefix(place)).free for place in dict.fromkeys((store.folder, cache))
        },
        hub=hub,
        hub_error=error,
        has_token=has_token,
        terminal=_terminal(),
        servers={name: _server(model) for name, model in registry.remotes.items()},
        speed=_speed(registry) if selftest else ("", ""),
    )


def _speed(registry: Registry) -> tuple[str, str]:
    """How fast the default pair is expected to be here, and what measures it where nothing has yet."""
    try:
        prediction = predict(registry, registry.pairs[registry.default_pair])
    except ConfspecError:  # a damaged model file, which a run would tell of
        return "", ""
    if not prediction.choices:
        return "", ""
    says, _, command = prediction_as_text(prediction).partition("\nTo measure it: ")
    return says, command


def _registry() -> tuple[Registry, str]:
    """The registry, without the user's own entries if their models.yaml is broken; and what is wrong with it."""
    try:
        return load(own_file()), ""
    except ConfspecError as error:
        return load(None), str(error)


def _server(model: RemoteModel) -> tuple[str, str]:
    """That the server of a model answers, or why not; and then what to do about it."""
    try:
        return reached(model), ""
    except ConfspecError as error:
        return f"{model.name}: {error}", error.hint or f"confspec models show {model.name}"


def _selftest(path: Path | None) -> tuple[int, dict[str, Any] | None, str]:
    """The exit status of a process that loads llama.cpp and generates, what it printed, and its last line on stderr."""
    command = python_module("confspec_cli.engines.llamacpp.selftest", *([str(path)] if path else []))
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_PATIENCE, check=False)
    except subprocess.TimeoutExpired:
        return 1, None, f"it did not finish within {_PATIENCE} s"
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


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
