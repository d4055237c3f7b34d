"""llama.cpp's own quantizer, in a child process: what aborts it is a sentence, and killing the child stops it.

python -m confspec_cli.engines.llamacpp.quantize SOURCE DESTINATION FILE_TYPE PURE
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from confspec_cli.child_process import python_module
from confspec_cli.engines.llamacpp.trial_load import crash_of
from confspec_cli.errors import EngineError

_TENSOR = re.compile(r"\[ *\d+/ *\d+\] +(\S+)")
_FAILURE = re.compile(r"failed to quantize: *(?:.* from [^:]*: )?(.+)|^error: (.+)")


def quantize(source: Path, destination: Path, file_type: int, pure: bool, done: Callable[[str], None]) -> None:
    """Write a quantized copy of a model; `done` is told the name of each tensor that is finished.

    Raises EngineError where llama.cpp fails. What was written by then is left for the caller to remove.
    """
    command = python_module(__name__, str(source), str(destination), str(file_type), str(int(pure)))
    last, reason = "", ""
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    ) as child:
        try:
            assert child.stderr
            for line in child.stderr:
                if tensor := _TENSOR.match(line):
                    done(tensor[1])
                if failure := _FAILURE.search(line):
                    reason = failure[1] or failure[2]
                last = line if "GGML_ASSERT" in line else last
            child.wait()
        finally:
            child.kill()
    if crash := crash_of(child.returncode, last):
        raise EngineError(f"llama.cpp crashed while quantizing {source.name} ({crash}); nothing was kept.")
    if child.returncode:
        raise EngineError(
            f"llama.cpp could not quantize {source.name}: {reason.strip().rstrip('.') or 'it gave no reason'}; "
            "nothing was kept.",
            "df -h   # shows whether a disk is full",
        )


def _main(source: str, destination: str, file_type: str, pure: str) -> None:
    from confspec_cli.engines.llamacpp.native import lib, log, physical_cores  # noqa: PLC0415 - llama.cpp may crash

    log.verbose = True  # its lines are the progress
    parameters = lib.llama_model_quantize_default_params()
    parameters.ftype, parameters.pure = int(file_type), pure == "1"
    parameters.allow_requantize = True
    parameters.nthread = physical_cores()
    sys.exit(1 if lib.llama_model_quantize(source.encode(), destination.encode(), parameters) else 0)


if __name__ == "__main__":
    _main(*sys.argv[1:])
