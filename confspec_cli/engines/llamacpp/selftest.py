"""A look at llama.cpp from a process of its own, so that a crash in native code is an exit status and no more.

`python -m confspec_cli.engines.llamacpp.selftest [MODEL.gguf]` prints one JSON line: the build and its devices, and
what a second of writing with the model, or with one that is made up, came to.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.engines.llamacpp.dummy_model import write

_SECONDS = 1.0
_CONTEXT = 512


def main(arguments: list[str]) -> None:
    """Look, and say what was seen."""
    from confspec_cli.engines.llamacpp.devices import can_offload, devices, features  # noqa: PLC0415 - may crash
    from confspec_cli.engines.llamacpp.native import has_amx  # noqa: PLC0415

    seen = {
        "offload": can_offload(),
        "devices": [asdict(device) for device in devices()],
        "features": features(),
        "amx": has_amx(),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(arguments[0]) if arguments else write(Path(folder) / "specimen.gguf")
        print(json.dumps({**seen, **_written(path)}))  # noqa: T201


def _written(path: Path) -> dict[str, float]:
    """Tokens of a model and seconds, of about a second's writing."""
    from confspec_cli.engines.llamacpp.engine import LlamaCppEngine  # noqa: PLC0415
    from confspec_cli.engines.llamacpp.open_model import Hardware  # noqa: PLC0415

    engine = LlamaCppEngine(path, Hardware(_CONTEXT, None, None, "f16"), Interrupt(), lambda _: None)
    prompt = Prompt((Message("user", "Count from one to one hundred."),))
    tokens, began = 0, 0.0
    for _ in engine.generate(prompt, Sampling(), _CONTEXT // 2):
        began = began or time.perf_counter()
        tokens += 1
        if time.perf_counter() - began > _SECONDS:
            break
    seconds = time.perf_counter() - began
    engine.close()
    return {"tokens": tokens, "seconds": seconds}


if __name__ == "__main__":
    main(sys.argv[1:])
