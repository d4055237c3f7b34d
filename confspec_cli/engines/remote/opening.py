"""Finds out what kind of server is behind a URL, and opens it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.remote import chat_engine
from confspec_cli.engines.remote.chat_engine import ChatEngine
from confspec_cli.engines.remote.connection import Connection, Patience
from confspec_cli.engines.remote.dialect import Dialect
from confspec_cli.engines.remote.llama_server import LlamaServer
from confspec_cli.engines.remote.remote_engine import RemoteEngine
from confspec_cli.engines.remote.sglang import Sglang
from confspec_cli.engines.remote.spec import KINDS, RemoteSpec, Served, short
from confspec_cli.engines.remote.trials import tried
from confspec_cli.engines.remote.vllm import Vllm
from confspec_cli.errors import ConfigError, ServerError

_SCRIPTS = "Two + 2 = 4; Züge – поезд, 列車 🚂, قطار, ट्रेन\n\n  def f(x):\treturn x**2  # done\n<|im_end|>"
"""Text of many scripts, which two vocabularies spell alike only if they are the same."""


def open_engine(
    spec: RemoteSpec, interrupt: Interrupt, environ: Mapping[str, str], patience: Patience | None = None
) -> RemoteEngine | ChatEngine:
    """The model behind a server; see `open_remote`."""
    connection = Connection(spec, interrupt, environ, patience)
    dialect: Dialect | None = None
    try:
        kind = identify(spec, connection)
        if kind == chat_engine.KIND:
            return ChatEngine(connection, spec.wanted_model, interrupt)
        dialect = _dialect(kind, spec, connection)
        _check_name(spec, dialect.served)
        return RemoteEngine(dialect, *tried(dialect), connection, interrupt)
    except BaseException:
        (dialect or connection).close()
        raise


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
        return Sglang.kind
    listed = connection.find("/v1/models")
    models = listed.get("data") if isinstance(listed, dict) else None
    if not isinstance(models, list):
        raise ServerError(
            f"{spec.base} is no model server that confspec knows.", f"curl {spec.base}/v1/models   # what it serves"
        )
    if models and isinstance(models[0], dict) and models[0].get("owned_by") == "confspec":
        raise ServerError(
            f"{spec.base} is a confspec server: its pair answers whole questions and judges no steps of others.",
            f'confspec ask --server {spec.base} "..."   # or name the server of the model itself',
        )
    is_vllm = models and isinstance(models[0], dict) and "max_model_len" in models[0]
    return Vllm.kind if is_vllm else chat_engine.KIND


def _dialect(kind: str, spec: RemoteSpec, connection: Connection) -> Dialect:
    if not spec.tokenizer:
        if kind == "llama-server":
            return LlamaServer(connection)
        raise ConfigError(
            f"{kind} at {spec.base} needs a file with the vocabulary of its model, and none is given.",
            "set tokenizer: in models.yaml to a GGUF file of the same model, or server: openai to chat with it",
        )
    from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile  # noqa: PLC0415 - loads llama_cpp

    file = VocabularyFile(Path(spec.tokenizer).expanduser())
    try:
        dialect: LlamaServer | Vllm | Sglang
        if kind == "llama-server":
            dialect = LlamaServer(connection, file)
        else:
            dialect = (Vllm if kind == Vllm.kind else Sglang)(connection, spec.wanted_model, file)
        _check_agreement(file.vocab.tokenize, dialect.tokenized, spec, dialect.served.model)
    except BaseException:
        file.close()
        raise
    return dialect


def _check_name(spec: RemoteSpec, served: Served) -> None:
    """Refuse a server that serves another model than the one that was named."""
    names = {served.model, short(served.model), Path(served.model).stem, served.identity.split(", ")[0]}
    if spec.wanted_model and spec.wanted_model not in names:
        raise ServerError(
            f"{spec.base} serves {short(served.model)}, not {spec.wanted_model}.", f"{spec.base}#{short(served.model)}"
        )


def _check_agreement(
    here: Callable[[str, bool], list[int]], there: Callable[[str], list[int]], spec: RemoteSpec, model: str
) -> None:
    if here(_SCRIPTS, True) != there(_SCRIPTS):
        raise ConfigError(
            f"{Path(spec.tokenizer).name} has a different vocabulary from {model} at {spec.base}.",
            "set tokenizer: to a GGUF file of the same model",
        )
