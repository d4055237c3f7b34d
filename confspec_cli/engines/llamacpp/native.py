"""llama.cpp as a library in this process: import, log, long calls that Ctrl-C can stop, processor quirks.

Knows the C API through `lib`; refuses to know prompts and caches.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from confspec_cli.core.engine import Interrupt
from confspec_cli.errors import EngineError, Interrupted

# libgomp reads these once, when it is loaded. By default a thread spins 300,000 rounds at a barrier before it sleeps,
# which makes two busy processes on the same cores hundreds of times slower; but only 100 rounds where libgomp has more
# threads than there are cores, as it has once two of our threads have called llama.cpp, be it in turn. Then they fall
# asleep hundreds of times a token. An active policy makes these 100 rounds 1,000.
os.environ.setdefault("GOMP_SPINCOUNT", "1000")
os.environ.setdefault("OMP_WAIT_POLICY", "active")
os.environ.setdefault("GGML_NO_BACKTRACE", "1")

try:
    import llama_cpp.llama_cpp as lib
except (ImportError, OSError, RuntimeError) as problem:
    raise EngineError(
        f"llama-cpp-python cannot be loaded: {problem}", "pip install --force-reinstall --no-cache-dir llama-cpp-python"
    ) from problem

__all__ = ["Worker", "has_amx", "lib", "log", "physical_cores", "watch"]

_T = TypeVar("_T")
_WARNING = 3  # ggml's levels: debug 1, info 2, warning 3, error 4, continuation 5 (the Python package's table is off)
_CONTINUATION = 5
_ENOUGH = 20


class Log:
    """llama.cpp's log: kept out of the terminal, its complaints remembered for error messages."""

    def __init__(self) -> None:
        self.complaints: list[str] = []
        self.verbose = False
        self._level = 0
        self._callback = lib.llama_log_callback(self._hear)
        lib.llama_log_set(self._callback, ctypes.c_void_p(0))

    def _hear(self, level: int, text: bytes, _: object) -> None:
        self._level = self._level if level == _CONTINUATION else level
        line = text.decode("utf-8", "replace")
        if self.verbose:
            sys.stderr.write("".join(char for char in line if char.isprintable() or char in "\n\t"))  # names from files
        if self._level >= _WARNING and line.strip() and len(self.complaints) < _ENOUGH:
            self.complaints.append(line.strip())

    def cause(self) -> str:
        """The first complaint since the log was cleared: what went wrong, before everything that followed from it."""
        return self.complaints[0].split(": ", 1)[-1].rstrip(".") if self.complaints else ""


log = Log()


def has_amx() -> bool:
    """Whether the processor reports AMX, whose kernels crash in builds by some compilers (llama.cpp issue 20824)."""
    try:
        return " amx_tile" in Path("/proc/cpuinfo").read_text(encoding="ascii", errors="replace")
    except OSError:
        return False


def physical_cores() -> int:
    """Cores this process may use, hyper-threads counted once."""
    if not hasattr(os, "sched_getaffinity"):
        return max(1, os.cpu_count() or 1)
    usable = os.sched_getaffinity(0)
    siblings = set()
    for cpu in usable:
        try:
            topology = Path(f"/sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list")
            siblings.add(topology.read_text(encoding="ascii"))
        except OSError:
            return len(usable)
    return len(siblings)


class Worker:
    """Runs long native calls on a thread of its own, so that the main thread goes on handling signals."""

    def __init__(self, interrupt: Interrupt) -> None:
        self._interrupt = interrupt
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="llama.cpp")

    def run(self, call: Callable[[], _T]) -> _T:
        """Run `call`; Ctrl-C stops it through the interrupt and raises once the call has returned."""
        future = self._thread.submit(call)
        try:
            return future.result()
        except (KeyboardInterrupt, Interrupted):
            was_asked = self._interrupt.is_set()  # by a first Ctrl-C, which still has to end the run
            self._interrupt.set()
            future.exception()
            if not was_asked:
                self._interrupt.clear()
            raise

    def close(self) -> None:
        """End the thread."""
        self._thread.shutdown()


def watch(context: object, interrupt: Interrupt) -> ctypes.Array[ctypes.c_char]:
    """Let the interrupt's first byte stop `llama_decode` (processor back ends only), without taking the GIL.

    The abort callback is libc's strlen: an empty buffer says go on. Returns what must be kept alive.
    """
    libc = ctypes.CDLL("msvcrt" if sys.platform == "win32" else None)
    callback = ctypes.cast(libc.strlen, lib.ggml_abort_callback)
    lib.llama_set_abort_callback(context, callback, ctypes.cast(interrupt.buffer, ctypes.c_void_p))
    return interrupt.buffer
