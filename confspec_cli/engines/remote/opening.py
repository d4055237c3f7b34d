"""Finds out what kind of server is behind a URL, and opens it."""

from __future__ import annotations

from collections.abc import Mapping

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.remote.connection import Connection, Patience
from confspec_cli.engines.remote.dialect import Dialect
from confspec_cli.engines.remote.llama_server import LlamaServer
from confspec_cli.engines.remote.remote_engine import RemoteEngine
from confspec_cli.engines.remote.spec import KINDS, RemoteSpec
from confspec_cli.errors import ConfigError, ServerError


def open_engine(
    spec: RemoteSpec, interrupt: Interrupt, environ: Mapping[str, str], patience: Patience | None = None
) -> RemoteEngine:
    """The model behind a server; see `open_remote`."""
    connection = Connection(spec, interrupt, environ, patience)
    try:
        return RemoteEngine(_dialect(spec, connection), spec.base, interrupt)
    except BaseException:
        connection.close()
        raise


def _dialect(spec: RemoteSpec, connection: Connection) -> Dialect:
    kind = identify(spec, connection)
    if kind == "llama-server":
        return LlamaServer(connection)
    raise ServerError(f"{spec.base} is no llama-server.", "start one: llama-server -m FILE --port 8000")


def identify(spec: RemoteSpec, connection: Connection) -> str:
    """The kind of server, by what it answers."""
    if spec.server not in KINDS:
        raise ConfigError(f"There is no kind of server called {spec.server}.", f"one of: {', '.join(KINDS)}")
    if spec.server != "auto":
        return spec.server
    props = connection.find("/props")
    if isinstance(props, dict) and "default_generation_settings" in props:
        return "llama-server"
    if connection.find("/model_info") is not None:
        return "sglang"
    listed = connection.find("/v1/models")
    if listed is None:
        raise ServerError(f"{spec.base} is no model server that confspec knows.", f"curl {spec.base}/v1/models")
    models = listed.get("data") if isinstance(listed, dict) else None
    is_vllm = models and isinstance(models[0], dict) and "max_model_len" in models[0]
    return "vllm" if is_vllm else "openai"
