"""`confspec serve`: a pair behind the OpenAI protocol."""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack, closing
from dataclasses import replace
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import pairs
from confspec_cli.commands._option_groups import grouped
from confspec_cli.commands._options import HardwareFlags, RunFlags, YesFlag
from confspec_cli.errors import ConfigError, UsageError
from confspec_cli.models.registry import Registry
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.render.console import put
from confspec_cli.render.console_reporter import ConsoleReporter
from confspec_cli.runtime.folders import sessions_folder
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry
from confspec_cli.storage.session_store import SessionStore

_KEY = "CONFSPEC_API_KEY"


def _option(name: str, text: str, **more: Any) -> Any:
    return typer.Option(name, help=text, rich_help_panel="Server", **more)


@grouped
def serve(
    *,
    name: Annotated[
        str | None, typer.Argument(metavar="[PAIR]", autocompletion=pairs, show_default="the default pair")
    ] = None,
    host: Annotated[str, _option("--host", "Address to listen on.", envvar="CONFSPEC_HOST")] = "127.0.0.1",
    port: Annotated[int, _option("--port", "Port to listen on.", envvar="CONFSPEC_PORT", min=0, max=65535)] = 8765,
    api_key_env: Annotated[
        str | None,
        _option(
            "--api-key-env",
            f"Variable that holds the key clients must send. [default: {_KEY}, if it is set]",
            metavar="NAME",
        ),
    ] = None,
    cors: Annotated[
        list[str] | None,
        _option("--cors", "Let web pages of this origin use the server; may be repeated.", metavar="ORIGIN"),
    ] = None,
    queue: Annotated[int, _option("--queue", "Requests that may wait; any more get 429.", min=0)] = 64,
    parallel: Annotated[
        int, _option("--parallel", "Requests to run at once, if both models are on servers.", min=1, max=256)
    ] = 1,
    time_limit: Annotated[float, _option("--time-limit", "Longest time for one answer, in seconds.", min=1)] = 600,
    no_log: Annotated[bool, _option("--no-log", "Don't save requests as sessions.", envvar="CONFSPEC_NO_LOG")] = False,
    options: RunFlags,
    yes: YesFlag = False,
    hardware: HardwareFlags,
) -> None:
    """Serve a pair to any client of the OpenAI protocol.

    Options for models and runs are defaults that a request may override.
    """
    try:
        from confspec_cli.serve.conversations import Conversations  # noqa: PLC0415 - what it needs is an extra
        from confspec_cli.serve.server import Address, server_of  # noqa: PLC0415
        from confspec_cli.serve.service import Limits, Service  # noqa: PLC0415
        from confspec_cli.serve.slot import Slot  # noqa: PLC0415
    except ImportError as problem:
        raise UsageError(
            f"confspec serve needs {problem.name}, which is not installed.", "pip install 'confspec-cli[serve]'"
        ) from None
    options = replace(options, pair=name) if name else options
    registry = user_registry()
    address = Address(host, port, _key(api_key_env), tuple(cors or ()))
    _check_parallel(registry, options, parallel)
    conversations = Conversations(_store() if registry.settings.log and not no_log else None)
    reporter = ConsoleReporter(sys.stderr, os.environ, yes)
    with closing(address.listen()) as listener, ExitStack() as stack:
        pools = [ModelPool(registry, hardware, reporter) for _ in range(parallel)]
        for pool in pools:
            stack.callback(pool.close)
            pool.switch(options)
        slots = [Slot(pool, conversations) for pool in pools]
        with Service(pools[0].pair, options, slots, Limits(queue, time_limit)) as service:
            reporter.note(f"Serving {', '.join(service.models)} at {address.url(listener)}   (Ctrl-C stops)")
            server_of(service, address, lambda line: put(sys.stderr, f"{line}\n")).run([listener])


def _key(variable: str | None) -> str:
    """The key in a variable; empty where none is named and the usual one is not set."""
    key = os.environ.get(variable or _KEY, "").strip()
    if variable and not key:
        raise ConfigError(f"{variable} is not set; it should hold the key that clients send.", f"export {variable}=...")
    if not key.isascii() or not key.isprintable():
        raise ConfigError(f"{variable or _KEY} is not usable as a key.", "use letters and digits")
    return key


def _check_parallel(registry: Registry, options: RunOptions, parallel: int) -> None:
    """Raises UsageError where several runs at once would need a model in memory several times."""
    here = [role for role in resolve_pair(registry, options).roles.values() if not isinstance(role, RemoteModel)]
    if parallel > 1 and here:
        raise UsageError(
            f"{here[0].name} runs here, one request at a time; --parallel is for models on servers.",
            "leave out --parallel",
        )


def _store() -> SessionStore | None:
    try:
        return SessionStore(sessions_folder(os.environ))
    except ConfigError:  # a user without a home folder
        return None
