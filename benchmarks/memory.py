"""What `confspec fit` says a model takes, beside what llama.cpp says it allocated.

    python -m benchmarks.memory MODEL.gguf ...

prints a Markdown table for several contexts and types of cache, in MiB, and what the estimate is of the truth.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import re
from collections.abc import Iterator
from pathlib import Path

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp.devices import repacking
from confspec_cli.engines.llamacpp.native import lib, log
from confspec_cli.engines.llamacpp.open_model import Hardware, load_model, open_context
from confspec_cli.models import gguf
from confspec_cli.runtime.memory_estimate import WEIGHTS, estimate_memory

MIB = 1 << 20
_BUFFER = re.compile(r"\b(model|KV|compute) buffer size =\s+([\d.]+) MiB")


def allocated(path: Path, context: int, kv_type: str) -> float:
    """MiB that llama.cpp reports of its buffers, for a model opened on the processor as the engine opens it."""
    said, was = io.StringIO(), log.verbose
    log.verbose = True
    try:
        with contextlib.redirect_stderr(said):
            hardware = Hardware(context, 0, None, kv_type)
            model = load_model(path, hardware, Interrupt(), lambda _: None)
            opened, _ = open_context(model, path, hardware, Interrupt())
    finally:
        log.verbose = was
    lib.llama_free(opened)
    lib.llama_model_free(model)
    return sum(float(buffer) for _, buffer in _BUFFER.findall(said.getvalue()))


def estimated(path: Path, context: int, kv_type: str) -> float:
    """MiB that are planned for the same."""
    return estimate_memory(gguf.read(path), context, kv_type, repacking()).total / MIB


def rows(paths: list[Path]) -> Iterator[str]:
    """A line of the table for each model, context and type of cache."""
    for path in paths:
        trained = gguf.read(path).number("context_length")
        for context in (size for size in (512, 2048, 8192) if size <= trained):
            for kind in WEIGHTS:
                plan, truth = estimated(path, context, kind), allocated(path, context, kind)
                yield f"| {path.name} | {context} | {kind} | {plan:.1f} | {truth:.1f} | {plan / truth:.3f} |"


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("models", nargs="+", type=Path, metavar="MODEL.gguf")
    given = parser.parse_args()
    print("| model | context | cache | planned | allocated | planned / allocated |\n|---|--:|---|--:|--:|--:|")
    for row in rows(given.models):
        print(row, flush=True)


if __name__ == "__main__":
    main()
