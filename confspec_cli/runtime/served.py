"""A run on a `confspec serve`: its events come over HTTP, and are shown and saved as if it ran here."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import asdict
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from confspec_cli.core.conversation import Conversation
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import Event, RunFinished, from_dict
from confspec_cli.core.messages import Message
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec
from confspec_cli.errors import ConfspecError, ContextFull, Interrupted, SchemaMismatch, ServerError, UsageError
from confspec_cli.runtime.answer_form import Wanted
from confspec_cli.runtime.offload import AUTO
from confspec_cli.runtime.options import HardwareOptions, RunOptions

if TYPE_CHECKING:
    from confspec_cli.engines.remote.connection import Connection

KEY = "CONFSPEC_API_KEY"
_TOP = ("temperature", "top_p", "top_k", "min_p", "seed", "max_tokens")
_THERE = ("pair", "draft", "target")  # which models is the server's affair
_ERRORS = {"context_length_exceeded": ContextFull, "schema_mismatch": SchemaMismatch, "invalid_value": UsageError}


class Served:
    """The pair of a running server. Raises ServerError where there is none, UsageError where it is another pair."""

    def __init__(self, url: str, options: RunOptions, hardware: HardwareOptions, interrupt: Interrupt) -> None:
        from confspec_cli.engines.remote.connection import Connection  # noqa: PLC0415 - loads the HTTP client

        _check(options, hardware)
        spec = RemoteSpec(url, api_key_env=KEY if os.environ.get(KEY) else "")
        self.host = urlsplit(spec.base).netloc
        self._connection = Connection(spec, interrupt, os.environ)
        self.pair = _pair_at(self._connection)
        if options.pair not in (None, AUTO, self.pair):
            raise UsageError(
                f"The server at {spec.base} has the pair {self.pair}, not {options.pair}.", f"--pair {self.pair}"
            )

    def models(self) -> dict[Author, tuple[str, int]]:
        """Name and context, in tokens, of each model of the pair. Raises ServerError where it does not say."""
        found = self._connection.get("/v1/models")
        try:
            known = {one["id"].removeprefix(f"{self.pair}/"): one for one in found["data"]}
            roles = {author: known[author.value] for author in Author if author.value in known}
            return {author: (str(one["name"]), int(one["context_length"])) for author, one in roles.items()}
        except (KeyError, TypeError, ValueError, AttributeError):
            raise ServerError(f"{self._connection.base} does not say what models it has.", "confspec serve") from None

    @staticmethod
    def messages(question: str, system: str | None, before: Sequence[Message]) -> list[Message]:
        """What is sent: without a system prompt of the user's the server takes its own."""
        told = [message for message in before if message.role == "system"]
        if system is not None or (before and not told):
            told = [Message("system", system or "")]
        return [*told, *(message for message in before if message.role != "system"), Message("user", question)]

    def reason(self, options: RunOptions, messages: Sequence[Message], wanted: Wanted) -> Iterator[Event]:
        """The events of one reply, as they happen; the last is RunFinished. An interrupt stops the run there too."""
        body = _body(options, wanted)
        body |= {"model": self.pair, "messages": [asdict(message) for message in messages]}
        so_far = Conversation()
        try:
            for event in self._events(body):
                so_far.add(event)
                yield event
                if isinstance(event, RunFinished):
                    return
        except Interrupted:
            if not so_far.turns:
                raise
            yield so_far.turns[-1].finished
            return
        raise self._broken_off()

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()

    def _broken_off(self) -> ServerError:
        return ServerError(f"{self._connection.base} broke off in the middle of its answer.", "look at its log")

    def _events(self, body: dict[str, Any]) -> Iterator[Event]:
        from confspec_cli.engines.remote.connection import StatusError  # noqa: PLC0415

        try:
            with closing(self._connection.stream("/v1/chat/completions", body)) as chunks:
                for chunk in chunks:
                    if "error" in chunk:
                        raise _error_in(json.dumps(chunk).encode()) or self._broken_off()
                    for record in chunk.get("confspec", {}).get("events", ()):
                        if event := from_dict(record):
                            yield event
        except StatusError as problem:
            raise _error_in(problem.body) or problem from None


def _check(options: RunOptions, hardware: HardwareOptions) -> None:
    """Raises UsageError for options that only whoever starts the server can give."""
    usual = asdict(HardwareOptions()) | {"verbose": hardware.verbose}
    changed = [name for name, value in asdict(hardware).items() if value != usual[name]]
    changed += [name for name in ("draft", "target") if getattr(options, name)]
    if changed:
        option = f"--{changed[0].replace('_', '-')}"
        raise UsageError(f"The server has its models already, so {option} does not apply.", "confspec serve --help")


def _pair_at(connection: Connection) -> str:
    found = connection.find("/health")
    pair = found.get("pair") if isinstance(found, dict) else None
    if not isinstance(pair, str):
        raise ServerError(f"{connection.base} is not a confspec server.", "confspec serve")
    return pair


def _body(options: RunOptions, wanted: Wanted) -> dict[str, Any]:
    """The options as a request has them; what nobody chose is left to the server."""
    chosen = {name: value for name, value in asdict(options).items() if value is not None and name not in _THERE}
    body: dict[str, Any] = {name: chosen.pop(name) for name in _TOP if name in chosen}
    body |= {"stream": True, "confspec": {**chosen, "events": True, "no_log": True}}
    if wanted.form and wanted.schema == {"type": "object"}:
        body["response_format"] = {"type": "json_object"}
    elif wanted.form:
        name = re.sub(r"[^a-zA-Z0-9_-]", "-", wanted.form.name)[:64]
        body["response_format"] = {"type": "json_schema", "json_schema": {"name": name, "schema": wanted.schema}}
    return body


def _error_in(body: bytes) -> ConfspecError | None:
    """The error that a refusal stands for, in the server's words; None for one that says no more than its status."""
    from confspec_cli.engines.remote import faults  # noqa: PLC0415 - loads the HTTP client

    try:
        code = json.loads(body)["error"]["code"]
    except (ValueError, TypeError, LookupError):
        return None
    kind = _ERRORS.get(code) if isinstance(code, str) else None
    return kind(f"{faults.said_in(body)}.") if kind else None
