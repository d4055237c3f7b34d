"""A file that was never loaded before is loaded in a child process first: what ends llama.cpp ends the child alone.

llama.cpp aborts on many values that no check of ours can foresee. A file that came through is remembered by a mark in
a folder, until it changes or llama.cpp does.
"""

from __future__ import annotations

import hashlib
import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

from confspec_cli.child_process import python_module
from confspec_cli.core.engine import Interrupt
from confspec_cli.errors import EngineError, Interrupted
from confspec_cli.models import gguf

_CONTEXT = 256
_LOOK = 0.05  # seconds between two looks at whether a stop was asked for
_ASSERTION = re.compile(r"GGML_ASSERT\(.*\) failed")


def trial_load(path: Path, marks: Path, interrupt: Interrupt) -> None:
    """Load a file and decode a few tokens in a child process, unless that went well before.

    Raises EngineError where llama.cpp crashes. What else is wrong is left for the real load to say.
    """
    mark = marks / _identity(path)
    if mark.exists():
        return
    command = python_module(__name__, str(path))
    with subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    ) as child:
        try:
            complaint = _complaint(child, interrupt)
        finally:
            child.kill()
    if crash := crash_of(child.returncode, complaint):
        raise EngineError(
            f"{path.name} crashes llama.cpp ({crash}): it is damaged, or of a kind that this version cannot run.",
            "confspec doctor   # checks that other models run",
        )
    if child.returncode == 0:
        with suppress(OSError):  # a mark only saves time
            marks.mkdir(parents=True, exist_ok=True)
            mark.touch()


def crash_of(status: int, complaint: str) -> str:
    """What ended a child by its exit status and its last words; empty where it did not crash: being killed is none."""
    name = signal.Signals(-status).name if status < 0 else hex(status) if status > 255 else ""
    if not name or name in ("SIGKILL", "SIGTERM", "SIGINT", "SIGHUP"):
        return ""
    asserted = _ASSERTION.search(complaint)
    return asserted[0] if asserted else name


def _complaint(child: subprocess.Popen[bytes], interrupt: Interrupt) -> str:
    """What the child wrote to stderr, once it has ended."""
    while True:
        if interrupt.is_set():
            raise Interrupted("Stopped while loading.")
        with suppress(subprocess.TimeoutExpired):
            return child.communicate(timeout=_LOOK)[1].decode("utf-8", "replace")


def _identity(path: Path) -> str:
    """A name for these files as they are now and this llama.cpp, without a path in it."""
    from llama_cpp import __version__  # noqa: PLC0415 - not where a child begins

    files = [part.stat() for part in gguf.parts(path) if part.exists()]
    told = [(file.st_dev, file.st_ino, file.st_size, file.st_mtime_ns) for file in files]
    return hashlib.sha256(repr((__version__, told)).encode()).hexdigest()[:32]


def _main(path: Path) -> None:
    from confspec_cli.engines.llamacpp.cache import Cache  # noqa: PLC0415 - llama.cpp may crash
    from confspec_cli.engines.llamacpp.open_model import Hardware, load_model, open_context  # noqa: PLC0415
    from confspec_cli.engines.llamacpp.vocab import Vocab  # noqa: PLC0415

    interrupt, trained = Interrupt(), gguf.read(path).number("context_length")
    hardware = Hardware(min(_CONTEXT, trained), gpu_layers=0)
    model = load_model(path, hardware, interrupt, lambda _: None)
    vocab = Vocab(model)
    context, partial = open_context(model, path, hardware, interrupt)
    cache = Cache(context, vocab.size, partial, interrupt)
    cache.feed(vocab.tokenize("Hello, 1 é\n", special=False))
    vocab.piece(int(cache.logits().argmax()))
    os._exit(0)  # freeing it all takes time, and says nothing


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
