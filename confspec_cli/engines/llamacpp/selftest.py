"""A self-test of llama.cpp for a process of its own, so that a crash in native code is just an exit status.

`python -m confspec_cli.engines.llamacpp.selftest [MODEL.gguf]` prints one JSON line: the build, its devices, and how
many tokens a second of generation gave, with that model or with a generated one.
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
    """Run the self-test and print its result."""
    from confspec_cli.engines.llamacpp.devices import backends, can_offload, devices, features  # noqa: PLC0415 - may crash
    from confspec_cli.engines.llamacpp.native import has_amx, log  # noqa: PLC0415

    seen = {
        "offload": can_offload(),
        "backends": backends(),
        "complaint": log.cause(),
        "devices": [asdict(device) for device in devices()],
        "features": features(),
        "amx": has_amx(),
    }
    with tempfile.TemporaryDirectory() as folder:
        path = Path(arguments[0]) if arguments else write(Path(folder) / "dummy.gguf")
        print(json.dumps({**seen, **_generate(path)}))  # noqa: T201


def _generate(path: Path) -> dict[str, float]:
    """Tokens and seconds of about a second of generation."""
    from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine  # noqa: PLC0415
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
