"""Every error shown to the user: one sentence, a command to type next, and an exit code.

ConfspecError
├── UsageError            2    the command line is wrong
│   └── ConfigError       2    models.yaml or an environment variable is wrong
├── EngineError           1    a model file is damaged, or llama.cpp failed on it
│   ├── ServerError       5    a model server cannot be reached, refuses, or fails
│   ├── OutOfMemoryError  4    the models do not fit
│   └── ContextFull       6    the prompt or the reply does not fit in the context
├── SchemaMismatch        7    the answer does not match the requested schema
├── NoAnswer              8    the reply has nothing to extract
├── ModelMissing          3    unknown model or pair, or not downloaded
├── DownloadError         5    network, authentication, a gated repository
├── StorageError          9    disk full or read-only, a file in use, or a sha256 mismatch
└── ClosedPipe            0    the reader of our output has closed the pipe: not an error
Interrupted           130    Ctrl-C; 143 for TERM

How an error is printed is up to app.py.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from enum import IntEnum


class Exit(IntEnum):
    """All exit codes of the command."""

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
    """Base class of all errors shown to the user; `hint` is a command to type next, or empty."""

    exit_code = Exit.FAILURE

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class UsageError(ConfspecError):
    """The command line is wrong."""

    exit_code = Exit.USAGE


class ConfigError(UsageError):
    """models.yaml or an environment variable is wrong."""


class EngineError(ConfspecError):
    """A model file is damaged, unsupported, or llama.cpp failed on it."""


class ServerError(EngineError):
    """A model server cannot be reached, refuses, breaks off, or answers what its kind never does.

    `is_away`: whatever it is asked now, it cannot be reached, lets nobody in or has no time.
    """

    exit_code = Exit.DOWNLOAD

    def __init__(self, message: str, hint: str = "", is_away: bool = False) -> None:
        super().__init__(message, hint)
        self.is_away = is_away


class OutOfMemoryError(EngineError):
    """The weights or the KV cache do not fit in memory."""

    exit_code = Exit.OUT_OF_MEMORY


class ContextFull(EngineError):  # noqa: N818 - named for what happened
    """The prompt or the reply does not fit in the context."""

    exit_code = Exit.CONTEXT_FULL


class SchemaMismatch(ConfspecError):  # noqa: N818 - named for what happened
    """The answer does not match the schema, or is not JSON."""

    exit_code = Exit.SCHEMA


class NoAnswer(ConfspecError):  # noqa: N818 - named for what happened
    """The reply has nothing to extract."""

    exit_code = Exit.NO_ANSWER


class ModelMissing(ConfspecError):  # noqa: N818 - named for what happened
    """The model or pair is unknown, or not downloaded."""

    exit_code = Exit.MODEL_MISSING


class DownloadError(ConfspecError):
    """The network, the hub or the package index failed."""

    exit_code = Exit.DOWNLOAD


class StorageError(ConfspecError):
    """The disk is full or read-only, a file is in use, or a sha256 does not match."""

    exit_code = Exit.STORAGE


class ClosedPipe(ConfspecError):  # noqa: N818 - it is an event, not a fault
    """The reader of our output has closed the pipe."""

    exit_code = Exit.OK

    def __init__(self) -> None:
        super().__init__("")


class Interrupted(BaseException):
    """The run was asked to stop. Like KeyboardInterrupt, it passes through every `except Exception` on its way."""

    exit_code = Exit.INTERRUPTED
    hint = ""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown name: a question after the known one most like it, or a full stop."""
    close = closest(name, known)
    return f'; did you mean "{close}"?' if close else "."


def closest(name: str, known: Iterable[str]) -> str:
    """The known name most like an unknown one; empty where none is like it."""
    return next(iter(difflib.get_close_matches(name, list(known), n=1, cutoff=0.75)), "")
