"""What vLLM and SGLang answer alike: the models they serve, log-probabilities, and refusals."""

from __future__ import annotations

import json
import math
from collections.abc import Generator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.connection import Connection, StatusError
from confspec_cli.engines.remote.spec import Served
from confspec_cli.errors import ContextFull, EngineError, ServerError

if TYPE_CHECKING:
    from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile


class Answers:
    """The answers of one server of a `kind`; `program` is its name, `enlarge` how to start it with more context."""

    def __init__(self, connection: Connection, kind: str, program: str, enlarge: str) -> None:
        self._connection = connection
        self._kind = kind
        self._program = program
        self._enlarge = enlarge

    def served(self, model: str, file: VocabularyFile, spare: int = 0) -> Served:
        """The model of that name, or the only one; `spare` tokens of its context are never used."""
        base = self._connection.base
        try:
            listed = {str(one["id"]): one for one in self._connection.get("/v1/models")["data"]}
            name = model or next(iter(listed))
            if name not in listed:
                raise ServerError(f"{base} does not serve {name}.", f"one of: {', '.join(listed)}")
            return Served(
                kind=self._kind,
                model=name,
                context=int(listed[name]["max_model_len"]) - spare,
                identity=str(listed[name].get("root") or name),
                template=file.template,
                bos=file.vocab.special_text("bos"),
                eos=file.vocab.special_text("eos"),
            )
        except (LookupError, TypeError, ValueError, StopIteration) as problem:
            raise self.nonsense() from problem

    def tokenized(self, model: str, text: str) -> list[int]:
        """The tokens of a text as the server has them; marks in it are control tokens."""
        body = {"model": model, "prompt": text, "add_special_tokens": False}
        try:
            return list(self._connection.post("/tokenize", body)["tokens"])
        except (LookupError, TypeError) as problem:
            raise self.nonsense() from problem

    def events(self, path: str, body: Mapping[str, Any], context: int) -> Generator[dict[str, Any], None, None]:
        """The events of a stream that is no refusal."""
        with closing(self._connection.stream(path, {**body, "stream": True})) as events:
            try:
                for event in events:
                    if not isinstance(event, dict):
                        raise self.nonsense()
                    if "error" in event:
                        raise self.refusal(json.dumps(event).encode(), context)
                    yield event
            except StatusError as problem:
                raise self.refusal(problem.body, context, problem) from problem

    def refusal(self, body: bytes, context: int, problem: ServerError | None = None) -> EngineError:
        """What an error means."""
        said = faults.said_in(body)
        if "context length" in said:
            return ContextFull(
                f"The prompt does not fit in the context of {context} tokens that the server has.", self._enlarge
            )
        return problem or ServerError(f"{self._connection.base} failed: {said or 'it does not say why'}.")

    def no_labels(self) -> ServerError:
        """The error for an answer without the probabilities of a verdict's labels."""
        return ServerError(
            f"{self._connection.base} gives no probabilities of the labels of a verdict.",
            f"use a newer version of {self._program}",
        )

    def nonsense(self) -> ServerError:
        """The error for an answer that its kind of server does not give."""
        return faults.nonsense(self._connection.base, f"something that {self._program} does not answer")


def logprob(value: object) -> float:
    """A log-probability as a server writes it. Raises ValueError for what is none."""
    if not isinstance(value, int | float) or math.isnan(value) or value > 1e-3:
        raise ValueError(value)
    return min(float(value), 0.0)
