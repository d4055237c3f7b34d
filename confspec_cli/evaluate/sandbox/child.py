"""A child process of the sandbox: behind its walls it serves the model's code, or runs the tests against it.

Run by path, alone: of ours it imports its two neighbours and nothing else.
"""

from __future__ import annotations

import ast
import builtins
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from calls import Peer
from walls import confine

del sys.path[0]  # what stands here must not hide modules of the same names


def main() -> None:
    """Do the task on stdin: the code's side or the tests'."""
    task = json.load(sys.stdin)
    verdict = os.dup(1)
    for descriptor, flags in ((0, os.O_RDONLY), (1, os.O_WRONLY), (2, os.O_WRONLY)):
        os.dup2(os.open(os.devnull, flags), descriptor)
    in_force = confine(task["seconds"], task["memory"], task["use_kernel"])
    if hasattr(sys, "set_int_max_str_digits"):
        sys.set_int_max_str_digits(0)
    if task["role"] == "code":
        os.close(verdict)
        _serve_code([task["given"], *task["parts"]], task["pipes"])
    else:
        os.write(verdict, f"{json.dumps(in_force)}\n".encode())
        _run_tests(task["given"], task["tests"], task["check"], task["pipes"])
        os.write(verdict, b"passed")
    os._exit(0)  # whatever threads or exit handlers there are


def _serve_code(parts: list[str], pipes: list[int]) -> None:
    """Run the code as a module, not as the main one, then answer what the tests ask of it."""
    module = ModuleType("program")
    sys.modules[module.__name__] = module
    for part in parts:
        exec(compile(part, "program", "exec", dont_inherit=True), module.__dict__)
    Peer(pipes, module.__dict__).serve()


def _run_tests(given: str, tests: str, check: str, pipes: list[int]) -> None:
    """Run the tests here. Classes live with the code, which is handed their objects; theirs are defined there."""
    peer = Peer(pipes)
    names = _Names(peer)
    exec(compile(given, "given", "exec", dont_inherit=True), names)
    names.forget_classes()
    peer.ask("define", _classes(tests))
    exec(compile(tests, "tests", "exec", dont_inherit=True), names)
    names.forget_classes()
    exec(check, names)


def _classes(tests: str) -> str:
    """The classes that the tests define, with what they import."""
    kept: list[ast.stmt] = [
        node for node in ast.parse(tests).body if isinstance(node, ast.ClassDef | ast.Import | ast.ImportFrom)
    ]
    return ast.unparse(ast.Module(kept, [])) if any(isinstance(node, ast.ClassDef) for node in kept) else ""


class _Names(dict[str, Any]):
    """The namespace of the tests: what they do not define themselves is the code's."""

    def __init__(self, peer: Peer) -> None:
        super().__init__(__name__=__name__, __builtins__=builtins)
        self._peer = peer

    def forget_classes(self) -> None:
        """Leave the classes defined here to the code's side."""
        for name, value in list(self.items()):
            if isinstance(value, type) and value.__module__ == __name__:
                del self[name]

    def __missing__(self, name: str) -> Any:
        if hasattr(builtins, name):
            raise KeyError(name)
        return self._peer.ask("name", name)


if __name__ == "__main__":
    main()
