"""Grammars: the one of a JSON schema, tried out, and a text held to one token by token.

The C library aborts the process when a grammar is fed a token it forbids, and crashes on a grammar it could not read:
both are ruled out here. Tokens are ids here.
"""

from __future__ import annotations

import ctypes
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np

from confspec_cli.engines.llamacpp.cache import Logits
from confspec_cli.engines.llamacpp.native import lib
from confspec_cli.engines.llamacpp.schema_grammar import Schema, grammar_of
from confspec_cli.errors import EngineError, UsageError

TOKEN_DATA = np.dtype([("id", np.int32), ("logit", np.float32), ("p", np.float32)])


def gbnf(schema: Schema) -> str:
    """The grammar of a JSON schema, tried out. Raises UsageError where no answer can fit, or llama.cpp follows none."""
    grammar = grammar_of(schema)
    with _hushed():  # the parser writes to stderr, whatever the log says
        sampler = lib.llama_sampler_init_grammar(None, grammar.encode(), b"root")
    if not sampler:
        raise UsageError(
            "llama.cpp cannot follow the grammar of this schema.", "simplify it: are there references in a circle?"
        )
    lib.llama_sampler_free(sampler)
    return grammar


class Grammar:
    """One text being held to a grammar, from its first token on; `vocab` is the model's own."""

    def __init__(self, vocab: object, grammar: str) -> None:
        self._sampler = lib.llama_sampler_init_grammar(vocab, grammar.encode(), b"root")
        if not self._sampler:
            raise EngineError("llama.cpp cannot follow the grammar of the answer.")
        self._one = np.zeros(1, dtype=TOKEN_DATA)

    def allows(self, token: int) -> bool:
        """Whether the text may go on with this token; the end of the turn is one too."""
        self._one["id"], self._one["logit"] = token, 0
        self._apply(self._one)
        return bool(np.isfinite(self._one["logit"][0]))

    def masked(self, logits: Logits) -> Logits:
        """A copy of the logits (vocab,) with minus infinity for every token that may not follow. Costs milliseconds."""
        table = np.zeros(len(logits), dtype=TOKEN_DATA)
        table["id"], table["logit"] = np.arange(len(logits), dtype=np.int32), logits
        self._apply(table)
        masked: Logits = table["logit"].copy()
        return masked

    def accept(self, token: int) -> None:
        """Take the token in. Raises EngineError for one that is not allowed."""
        if not self.allows(token):
            raise EngineError("No token can continue this text within the grammar of the answer.")
        lib.llama_sampler_accept(self._sampler, token)

    def close(self) -> None:
        """Free it; calling it twice is fine."""
        if self._sampler:
            lib.llama_sampler_free(self._sampler)
            self._sampler = None

    def _apply(self, table: np.ndarray[tuple[int], np.dtype[np.void]]) -> None:
        data = ctypes.cast(table.ctypes.data, lib.llama_token_data_p)
        array = lib.llama_token_data_array(data=data, size=len(table), selected=-1, sorted=False)
        lib.llama_sampler_apply(self._sampler, ctypes.byref(array))


@contextmanager
def _hushed() -> Iterator[None]:
    """While this holds, what the process writes to its standard error goes nowhere."""
    sys.stderr.flush()
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 2)
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
