"""Errors as OpenAI's clients know them: a status, a sentence, a code, and the parameter that was wrong."""

from __future__ import annotations

from typing import Any

from confspec_cli.errors import ConfspecError, ContextFull, SchemaMismatch, UsageError


class Refusal(Exception):  # noqa: N818 - named for what happened
    """A request that is not served, and why."""

    def __init__(
        self, status: int, message: str, code: str, *, param: str | None = None, retry_after: int | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.param = status, code, param
        self.headers = {} if retry_after is None else {"Retry-After": str(retry_after)}

    def body(self) -> dict[str, Any]:
        """The error object."""
        kinds = {401: "authentication_error", 429: "rate_limit_error"}
        kind = kinds.get(self.status, "server_error" if self.status >= 500 else "invalid_request_error")
        return {"error": {"message": str(self), "type": kind, "param": self.param, "code": self.code}}


def unsupported(param: str, why: str = "") -> Refusal:
    """The refusal of a parameter that would change the answer and cannot be honoured."""
    return Refusal(400, f'"{param}" is not supported{why}.', "unsupported_parameter", param=param)


def invalid(message: str, param: str | None = None) -> Refusal:
    """The refusal of a request that is wrong."""
    return Refusal(400, message, "invalid_value", param=param)


def refusal_of(error: ConfspecError) -> Refusal:
    """What a client is told of an error of ours; hints are commands for whoever runs the server, and stay here."""
    match error:
        case ContextFull():
            return Refusal(400, str(error), "context_length_exceeded", param="messages")
        case UsageError():
            return invalid(str(error))
        case SchemaMismatch():
            return Refusal(422, str(error), "schema_mismatch", param="response_format")
        case _:
            return Refusal(500, str(error), "engine_error")
