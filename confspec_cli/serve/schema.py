"""The request as a JSON schema: what is checked is what /openapi.json describes.

Knows the shape of a request; what the words in it mean is chat_request's affair.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from confspec_cli import __version__
from confspec_cli.core.messages import INT32_MAX, Speculation
from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName

_INT64 = 2**63
_SHARE = {"type": "number", "minimum": 0, "maximum": 1}
_COUNT = {"type": "integer", "minimum": 1, "maximum": INT32_MAX}
_BOOL = {"type": "boolean"}
_STRING = {"type": "string"}
_TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": _STRING},
    "required": ["type", "text"],
    "additionalProperties": False,
}
_CONTENT = {"anyOf": [_STRING, {"type": "array", "items": _TEXT_PART, "minItems": 1}]}
_MESSAGE = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant"]},
        "content": _CONTENT,
        "reasoning_content": {"type": ["string", "null"]},
    },
    "required": ["role", "content"],
    "additionalProperties": False,
}
_FORMAT = {
    "type": "object",
    "properties": {
        "type": {"enum": ["text", "json_object", "json_schema"]},
        "json_schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"},
                "description": {"type": ["string", "null"]},
                "schema": {"type": "object"},
                "strict": {"type": ["boolean", "null"]},
            },
            "required": ["name", "schema"],
            "additionalProperties": False,
        },
    },
    "required": ["type"],
    "additionalProperties": False,
}
OWN: dict[str, Any] = {
    "events": _BOOL,
    "no_log": _BOOL,
    "mode": {"enum": [mode.value for mode in Mode]},
    "task": {"enum": [task.value for task in TaskName]},
    "think": _BOOL,
    "think_budget": {"type": "integer", "minimum": 0, "maximum": INT32_MAX},
    "gate": _STRING,
    "accept": _SHARE,
    "reject": _SHARE,
    "min_token_prob": _SHARE,
    "always_draft": _BOOL,
    "max_step_tokens": _COUNT,
    "speculate": {"enum": [one.value for one in Speculation]},
}
"""confspec's own settings, which a request may hold under `confspec`."""

REQUEST: dict[str, Any] = {
    "type": "object",
    "properties": {
        "model": _STRING,
        "messages": {"type": "array", "items": _MESSAGE, "minItems": 1},
        "stream": _BOOL,
        "stream_options": {
            "type": "object",
            "properties": {"include_usage": _BOOL, "include_obfuscation": _BOOL},
            "additionalProperties": False,
        },
        "max_tokens": _COUNT,
        "max_completion_tokens": _COUNT,
        "temperature": {"type": "number", "minimum": 0, "maximum": 2},
        "top_p": _SHARE,
        "top_k": _COUNT,
        "min_p": _SHARE,
        "seed": {"type": "integer", "minimum": -_INT64, "maximum": _INT64 - 1},
        "stop": {
            "anyOf": [
                {"type": "string", "minLength": 1},
                {"type": "array", "items": {"type": "string", "minLength": 1}, "maxItems": 4},
            ]
        },
        "response_format": _FORMAT,
        "user": _STRING,
        "confspec": {"type": "object", "properties": OWN, "additionalProperties": False},
    },
    "required": ["model", "messages"],
    "additionalProperties": False,
}
"""A request without the parameters that make no difference, and without nulls, which are the same as leaving out."""


def openapi(models: Iterable[str]) -> dict[str, Any]:
    """The description of a server of these models, for tools that read one."""
    request = {**REQUEST, "properties": {**REQUEST["properties"], "model": {"enum": list(models)}}}
    ok = {"200": {"description": "OK"}}
    refused = {str(status): {"description": "refused, with OpenAI's error object"} for status in _REFUSALS}
    completion = {
        "requestBody": {"required": True, "content": {"application/json": {"schema": request}}},
        "responses": {**ok, **refused},
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "confspec", "version": __version__},
        "paths": {
            "/v1/chat/completions": {"post": completion},
            **{path: {"get": {"responses": ok}} for path in ("/v1/models", "/health", "/metrics")},
        },
    }


_REFUSALS = (400, 401, 404, 408, 413, 415, 422, 429, 503)
