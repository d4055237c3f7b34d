"""confspec: a small model drafts reasoning steps, a large one is asked only when it matters.

    with confspec_cli.open_pair("starter") as pair:
        for event in pair.reason("What is 17 times 23?"):
            print(event)

The public interface, each name of which is imported when it is first used:

    open_pair, OpenPair                    a pair of models, and how it is opened
    RunOptions, HardwareOptions            what a run and the machine may be told
    Mode, TaskName, Message                what those options are made of
    Event: RunStarted, StepCommitted,      what a run yields
        TextWritten, Warned, RunFinished
    ConfspecError                          the base of every error, with a `hint`
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from confspec_cli.core.events import Event, RunFinished, RunStarted, StepCommitted, TextWritten, Warned
    from confspec_cli.core.messages import Message
    from confspec_cli.core.run_config import Mode
    from confspec_cli.core.tasks import TaskName
    from confspec_cli.errors import ConfspecError
    from confspec_cli.runtime.open_pair import OpenPair, open_pair
    from confspec_cli.runtime.options import HardwareOptions, RunOptions

__version__ = "0.2.0"

__all__ = [
    "ConfspecError",
    "Event",
    "HardwareOptions",
    "Message",
    "Mode",
    "OpenPair",
    "RunFinished",
    "RunOptions",
    "RunStarted",
    "StepCommitted",
    "TaskName",
    "TextWritten",
    "Warned",
    "__version__",
    "open_pair",
]

_PLACES = {
    "core.events": ("Event", "RunFinished", "RunStarted", "StepCommitted", "TextWritten", "Warned"),
    "core.messages": ("Message",),
    "core.run_config": ("Mode",),
    "core.tasks": ("TaskName",),
    "errors": ("ConfspecError",),
    "runtime.open_pair": ("OpenPair", "open_pair"),
    "runtime.options": ("HardwareOptions", "RunOptions"),
}


def __getattr__(name: str) -> Any:
    for place, names in _PLACES.items():
        if name in names:
            return getattr(importlib.import_module(f"confspec_cli.{place}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
