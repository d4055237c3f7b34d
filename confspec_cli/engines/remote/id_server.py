"""What vLLM and SGLang have in common: token ids both ways, the vocabulary from a file, and the same list of models."""

from __future__ import annotations

import math
import uuid
from abc import abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from confspec_cli.engines.remote.connection import Connection
from confspec_cli.engines.remote.dialect import RemoteToken
from confspec_cli.engines.remote.spec import Served
from confspec_cli.engines.remote.token_server import TokenServer
from confspec_cli.errors import ServerError

if TYPE_CHECKING:
    from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile


class IdServer(TokenServer):
    """A server, connected; `file` holds the vocabulary and the chat template of the model it serves."""

    kind: ClassVar[str]
    spare: ClassVar[int] = 0
    """Tokens of the context that prompt and reply together must leave free."""

    def __init__(self, connection: Connection, model: str, file: VocabularyFile) -> None:
        super().__init__(connection)
        self._file = file
        self._salt = ""
        self.tokens_read = 0
        self.vocabulary = file.vocab
        self.served = self._served(model)

    def ping(self) -> None:
        """Ask whether it is up."""
        self._connection.get("/v1/models")

    def forget(self) -> None:
        """Have the next call read its whole prompt afresh: a salt of its own sets it apart in the cache."""
        self._salt = uuid.uuid4().hex

    @abstractmethod
    def score(
        self, tokens: Sequence[int], start: int, stop: int, wanted: Sequence[int]
    ) -> tuple[list[RemoteToken], Mapping[int, float]]:
        """The tokens from `start` to `stop` as the model reads them, and the wanted ones after all; see Dialect."""

    def next_probs(self, tokens: Sequence[int], wanted: Sequence[int]) -> Mapping[int, float]:
        """Probability of each wanted token as the next one; see Dialect."""
        return self.score(tokens, 0, 0, wanted)[1]

    def tokenized(self, text: str) -> list[int]:
        """The tokens of a text as the server has them; marks in it are control tokens."""
        body = {"model": self.served.model, "prompt": text, "add_special_tokens": False}
        with self._making_sense():
            return list(self._connection.post("/tokenize", body)["tokens"])

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()
        self._file.close()

    def _served(self, model: str) -> Served:
        """The model of that name, or the only one."""
        file, base = self._file, self._connection.base
        with self._making_sense():
            listed = {str(one["id"]): one for one in self._connection.get("/v1/models")["data"]}
            name = model or next(iter(listed), "")
            if name not in listed:
                raise ServerError(f"{base} does not serve {name}.", f"one of: {', '.join(listed)}")
            return Served(
                kind=self.kind,
                model=name,
                context=int(listed[name]["max_model_len"]) - self.spare,
                identity=str(listed[name].get("root") or name),
                template=file.template,
                bos=file.vocab.special_text("bos"),
                eos=file.vocab.special_text("eos"),
            )

    def _probabilities(self, logprobs: Mapping[int, float], wanted: Sequence[int]) -> Mapping[int, float]:
        """Those of the wanted tokens."""
        if not logprobs.keys() >= set(wanted):
            raise ServerError(
                f"{self._connection.base} gives no probabilities of the labels of a verdict.",
                f"use a newer version of {self.program}",
            )
        return {token: math.exp(logprobs[token]) for token in wanted}
