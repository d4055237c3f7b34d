"""What servers that take and give token ids have in common: how they are asked, and what their refusals mean."""

from __future__ import annotations

import json
import math
from abc import ABC
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any, ClassVar

from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.connection import Connection, StatusError
from confspec_cli.engines.remote.spec import Served
from confspec_cli.errors import ContextFull, EngineError, ServerError


class TokenServer(ABC):
    """A server, connected."""

    program: ClassVar[str]
    """Its name for people."""
    enlarge: ClassVar[str]
    """The command that starts it with a larger context."""
    served: Served

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def _posted(self, path: str, body: Mapping[str, Any]) -> Any:
        """The answer to a request that has the model read."""
        try:
            return self._connection.post(path, body)
        except StatusError as problem:
            raise self._refusal(problem.body, problem) from problem

    def _events(self, path: str, body: Mapping[str, Any]) -> Generator[dict[str, Any], None, None]:
        """The events of a streamed answer."""
        with closing(self._connection.stream(path, {**body, "stream": True})) as events:
            try:
                for event in events:
                    if not isinstance(event, dict):
                        raise self._nonsense()
                    if "error" in event:
                        raise self._refusal(json.dumps(event).encode())
                    yield event
            except StatusError as problem:
                raise self._refusal(problem.body, problem) from problem

    @contextmanager
    def _making_sense(self) -> Iterator[None]:
        """What cannot be read in this context is an answer that this kind of server does not give."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as problem:
            raise self._nonsense() from problem

    def _nonsense(self) -> ServerError:
        return faults.nonsense(self._connection.base, f"something that {self.program} does not answer")

    def _refusal(self, body: bytes, problem: ServerError | None = None) -> EngineError:
        said = faults.said_in(body)
        if "context length" in said:
            return self._too_long()
        return problem or ServerError(f"{self._connection.base} failed: {said or 'it does not say why'}.")

    def _too_long(self) -> ContextFull:
        return ContextFull(
            f"The prompt does not fit in the context of {self.served.context} tokens that the server has.",
            f"start the server with a larger one: {self.enlarge}",
        )


def checked(logprob: object) -> float:
    """A log-probability as a server writes it. Raises ValueError for what is none."""
    if not isinstance(logprob, int | float) or math.isnan(logprob) or logprob > 1e-3:
        raise ValueError(logprob)
    return min(float(logprob), 0.0)
