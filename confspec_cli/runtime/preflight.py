"""What cannot be is said before anything is downloaded or loaded, as far as headers and the registry tell."""

from __future__ import annotations

import os
from pathlib import Path

from confspec_cli.core.thinking_styles import style_of
from confspec_cli.errors import ConfspecError, OutOfMemoryError
from confspec_cli.models import gguf
from confspec_cli.models.registry import Model
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.store import Store
from confspec_cli.runtime.configure import cannot_think
from confspec_cli.runtime.folders import models_folder
from confspec_cli.runtime.offload import machine_at_first
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import ResolvedPair


def refuse_early(resolved: ResolvedPair, options: RunOptions, hardware: HardwareOptions) -> None:
    """Raises UsageError where the deciding model is told to think and cannot.

    Raises OutOfMemoryError where everything must go to a GPU and there is none.
    """
    if hardware.gpu_only and not machine_at_first().gpus:
        raise OutOfMemoryError("There is no GPU that this build of llama.cpp can use.", "confspec doctor")
    role = list(resolved.roles.values())[-1]
    if options.think and not _may_think(role):
        raise cannot_think(role.name)


def _may_think(role: Model | Path | RemoteModel) -> bool:
    """Whether a model thinks, by its file where that is here, else by the registry; a doubt counts as yes."""
    if isinstance(role, RemoteModel):  # the server knows
        return True
    found = Store(models_folder(os.environ)).find(role) if isinstance(role, Model) else [role]
    if not found:
        return isinstance(role, Model) and role.thinks
    try:
        template = gguf.read(found[0]).values.get("tokenizer.chat_template", "")
    except (ConfspecError, OSError):  # loading it says what is wrong with the file
        return True
    return style_of(str(template)) is not None
