"""Every error a person can be shown: one sentence, the next command to type, an exit code.

ConfspecError
├── UsageError            2    the command line asks for something that cannot be
│   └── ConfigError       2    models.yaml or the environment does
├── EngineError           1    a model file, or what llama.cpp makes of it
│   ├── OutOfMemoryError  4    the models do not fit
│   └── ContextFull       6    the prompt, or the chain, is longer than the context
├── SchemaMismatch        7    the answer does not fit the form it was asked for in
├── NoAnswer              8    the reply holds nothing that could be extracted
├── ModelMissing          3    an unknown model or pair, or one that is not here yet
├── DownloadError         5    network, authentication, a gated repository
├── StorageError          9    disk full or read-only, a file in use, or bytes that do not hash to the pin
└── ClosedPipe            0    the reader of our output has had enough: no fault, and nothing to say
Interrupted           130    Ctrl-C; 143 for TERM

Knows exit codes and wording; refuses to know how an error is drawn (app.py does that).
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """The exit codes of the command, all of them."""

    OK = 0
    FAILURE = 1
    USAGE = 2
    MODEL_MISSING = 3
    OUT_OF_MEMORY = 4
    DOWNLOAD = 5
    CONTEXT_FULL = 6
    SCHEMA = 7
    NO_ANSWER = 8
    STORAGE = 9
    INTERRUPTED = 130
    TERMINATED = 143


class ConfspecError(Exception):
    """Base of all errors shown as one line; `hint` is the next command to type, or empty."""

    exit_code = Exit.FAILURE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ConfspecError):
    """The command line asks for something that cannot be."""

    exit_code = Exit.USAGE


class ConfigError(UsageError):
    """A models.yaml or an environment variable is wrong."""


class EngineError(ConfspecError):
    """A model file is damaged, unsupported, or llama.cpp failed on it."""


class OutOfMemoryError(EngineError):
    """The weights or the KV cache do not fit in memory."""

    exit_code = Exit.OUT_OF_MEMORY


class ContextFull(EngineError):  # noqa: N818 - named for what happened
    """The prompt or the chain does not fit in the context."""

    exit_code = Exit.CONTEXT_FULL


class SchemaMismatch(ConfspecError):  # noqa: N818 - named for what happened
    """The answer does not fit the schema, or is no JSON."""

    exit_code = Exit.SCHEMA


class NoAnswer(ConfspecError):  # noqa: N818 - named for what happened
    """Nothing in the reply is what was to be extracted."""

    exit_code = Exit.NO_ANSWER


class ModelMissing(ConfspecError):  # noqa: N818 - named for what happened
    """A model or pair nobody knows, or one whose files are not here yet."""

    exit_code = Exit.MODEL_MISSING


class DownloadError(ConfspecError):
    """The network, the hub or the package index said no."""

    exit_code = Exit.DOWNLOAD


class StorageError(ConfspecError):
    """The disk is full or read-only, another process is writing, or the bytes fetched do not hash to the pin."""

    exit_code = Exit.STORAGE


class ClosedPipe(ConfspecError):  # noqa: N818 - it is an event, not a fault
    """Whoever read our output has had enough."""

    exit_code = Exit.OK

    def __init__(self) -> None:
        super().__init__("")


class Interrupted(BaseException):
    """The run was asked to stop. Like KeyboardInterrupt, it passes through every `except Exception` on its way."""

    exit_code = Exit.INTERRUPTED
    hint = ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: a question after the known one most like it, or a full stop."""
    close = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f'; did you mean "{close[0]}"?' if close else "."
