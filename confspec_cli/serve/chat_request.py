"""What a client asks for, out of the body of its request: checked, and with every field honoured or refused by name."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from confspec_cli.core.messages import Message, Speculation
from confspec_cli.core.run_config import Mode, authors
from confspec_cli.core.tasks import TaskName
from confspec_cli.runtime.json_schema import load, mismatch
from confspec_cli.runtime.options import RunOptions
from confspec_cli.serve.refusal import Refusal, invalid, unsupported
from confspec_cli.serve.schema import REQUEST

_NEUTRAL: Mapping[str, tuple[Any, ...]] = {
    "n": (1,),
    "frequency_penalty": (0,),
    "presence_penalty": (0,),
    "repetition_penalty": (1,),
    "logit_bias": ({},),
    "logprobs": (False,),
    "top_logprobs": (0,),
    "modalities": (["text"],),
    "tools": ([],),
    "tool_choice": ("none", "auto"),
    "functions": ([],),
    "function_call": ("none", "auto"),
}
"""Parameters that would change the answer, and the values with which they do not."""
_WITHOUT_EFFECT = (
    "metadata",
    "parallel_tool_calls",
    "prompt_cache_key",
    "prompt_cache_retention",
    "safety_identifier",
    "service_tier",
    "store",
)
"""Parameters that change no answer."""
_LONGEST_SCHEMA = 20_000  # characters: a longer one takes seconds to become a grammar, in which nobody else is served
_KINDS = {"mode": Mode, "task": TaskName, "speculate": Speculation}


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """One request. `system` is None where the client gave no system prompt; `before` is the conversation so far.

    `schema` is the name and the JSON schema of the answer, None for any JSON object.
    """

    model: str
    question: str
    system: str | None
    before: tuple[Message, ...]
    options: RunOptions
    schema: tuple[str, Any] | None = None
    stop: tuple[str, ...] = ()
    user: str = ""
    streams: bool = False
    includes_usage: bool = False
    shows_events: bool = False
    no_log: bool = False


def models_of(pair: str, options: RunOptions) -> dict[str, Mode]:
    """The names under which a pair is served, each with its mode: the pair itself, and each of its models alone."""
    return {pair: options.mode, **{f"{pair}/{author.value}": Mode(author.value) for author in authors(options.mode)}}


def parse(raw: bytes, pair: str, defaults: RunOptions) -> ChatRequest:
    """The request in a body, over the server's own options. Raises Refusal."""
    body = _checked(raw)
    served = models_of(pair, defaults)
    if body["model"] not in served:
        raise Refusal(
            404,
            f'There is no model "{body["model"]}" here; this server has {", ".join(served)}.',
            "model_not_found",
            param="model",
        )
    own = {name: _KINDS[name](value) if name in _KINDS else value for name, value in body.get("confspec", {}).items()}
    flags = {name: own.pop(name, False) for name in ("events", "no_log")}
    mode = served[body["model"]] if body["model"] != pair else own.pop("mode", defaults.mode)
    if own.pop("mode", mode) is not mode or not set(authors(mode)) <= set(authors(defaults.mode)):
        raise invalid(f'"confspec.mode" cannot be honoured for {body["model"]}.', "confspec.mode")
    sampling = {name: body[name] for name in ("temperature", "top_p", "top_k", "min_p", "seed") if name in body}
    options = replace(defaults, **sampling, **own, mode=mode, max_tokens=_max_tokens(body) or defaults.max_tokens)
    system, turns = _conversation(body["messages"])
    stop = body.get("stop", ())
    return ChatRequest(
        model=body["model"],
        question=turns[-1].content,
        system=system,
        before=turns[:-1],
        options=options,
        schema=_schema(body.get("response_format", {"type": "text"})),
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
        user=body.get("user", ""),
        streams=body.get("stream", False),
        includes_usage=body.get("stream_options", {}).get("include_usage", False),
        shows_events=flags["events"],
        no_log=flags["no_log"],
    )


def _checked(raw: bytes) -> dict[str, Any]:
    """The body as an object that fits the schema, without nulls and without what makes no difference."""
    try:
        body = load(raw.decode())
    except UnicodeDecodeError:
        raise Refusal(400, "The body is not UTF-8.", "invalid_json") from None
    except ValueError as problem:
        raise Refusal(400, f"The body is not JSON: {problem}.", "invalid_json") from None
    if not isinstance(body, dict):
        raise Refusal(400, "The body must be a JSON object.", "invalid_json")
    body = {name: value for name, value in body.items() if value is not None and name not in _WITHOUT_EFFECT}
    for name, neutral in _NEUTRAL.items():
        if name in body and body.pop(name) not in neutral:
            raise unsupported(name)
    for message in body["messages"] if isinstance(body.get("messages"), list) else ():
        if isinstance(message, dict):
            _strip(message)
    for name in body.keys() - REQUEST["properties"].keys():
        raise unsupported(name)
    if found := mismatch(body, REQUEST):
        place, words = found
        raise invalid(f'"{place}" is wrong: {words}.' if place else f"The request is wrong: {words}.", place or None)
    return body


def _strip(message: dict[str, Any]) -> None:
    """Take out of a message what clients repeat from our replies, and what is empty."""
    for name in [name for name, value in message.items() if value in (None, []) and name != "content"]:
        del message[name]
    if message.get("role") in ("tool", "function") or "tool_calls" in message:
        raise unsupported("messages", " with tool calls: confspec writes answers and calls no tools")
    if message.get("role") == "assistant":
        message.pop("confspec", None)
    content = message.get("content")
    for part in content if isinstance(content, list) else ():
        if isinstance(part, dict) and part.get("type") not in ("text", None):
            raise unsupported("messages", f" with content of type {json.dumps(part['type'])[:40]}: send text")


def _max_tokens(body: Mapping[str, Any]) -> int | None:
    given = {body[name] for name in ("max_tokens", "max_completion_tokens") if name in body}
    if len(given) > 1:
        raise invalid('"max_tokens" and "max_completion_tokens" contradict each other.', "max_tokens")
    return given.pop() if given else None


def _conversation(messages: list[dict[str, Any]]) -> tuple[str | None, tuple[Message, ...]]:
    """The system prompt, None where there is none, and the turns; several system prompts become one."""
    said = [Message(message["role"], _text(message["content"])) for message in messages]
    told = [message.content for message in said if message.role in ("system", "developer")]
    turns = tuple(message for message in said if message.role in ("user", "assistant"))
    if not turns or turns[-1].role != "user":
        raise invalid("The last message must be the user's.", "messages")
    return "\n\n".join(told) if told else None, turns


def _text(content: str | list[dict[str, str]]) -> str:
    return content if isinstance(content, str) else "\n".join(part["text"] for part in content)


def _schema(form: Mapping[str, Any]) -> tuple[str, Any] | None:
    """The name and the schema of the answer that is wanted; None as the schema for any JSON object."""
    if form["type"] == "text":
        return None
    if form["type"] == "json_object":
        return "json", None
    if "json_schema" not in form:
        raise invalid('"response_format.json_schema" is missing.', "response_format")
    name, schema = form["json_schema"]["name"], form["json_schema"]["schema"]
    if len(json.dumps(schema)) > _LONGEST_SCHEMA:
        raise invalid(f"The schema has more than {_LONGEST_SCHEMA:,} characters.", "response_format")
    return name, schema
