"""Remote models become engines, and whoever uses one is told once where the conversation goes."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec, open_remote
from confspec_cli.errors import StorageError, UsageError
from confspec_cli.files import make_private_folder, read_text, write_atomically
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.runtime.folders import remote_hosts_file
from confspec_cli.runtime.reporter import Reporter, Silent


def open_remotes(
    models: Mapping[Author, RemoteModel], interrupt: Interrupt, reporter: Reporter
) -> dict[Author, Engine]:
    """Connect to each model's server and find out what it can do; the caller closes them.

    Raises what connecting to one of them raises, with none of them left open.
    """
    opened: dict[Author, Engine] = {}
    try:
        for author, model in models.items():
            with reporter.loading(f"connecting to {author.value} {model.name}"):
                opened[author] = _open(model, interrupt)
            _tell_once(model, reporter)
    except BaseException:
        for engine in opened.values():
            engine.close()
        raise
    return opened


def _tell_once(model: RemoteModel, reporter: Reporter) -> None:
    """Say that the conversation leaves this machine, the first time it goes to a host and somebody listens."""
    if isinstance(reporter, Silent):
        return
    file = remote_hosts_file(os.environ)
    known: list[str] = []
    with suppress(UsageError):
        known = read_text(file, limit=1 << 20).splitlines()
    if model.host not in known:
        reporter.note(f"note: the whole conversation is sent to {model.host} (this is said once for each host)")
        with suppress(OSError, StorageError):  # then it is said again
            make_private_folder(file.parent)
            write_atomically(file, "".join(f"{host}\n" for host in [*known, model.host]), mode=0o600)


def check_key(model: RemoteModel) -> None:
    """Raises ConfigError where the key of a model is not set, or would be sent to its server unencrypted."""
    spec_of(model).key(os.environ)


def spec_of(model: RemoteModel) -> RemoteSpec:
    """The model as the engine for servers is told of it."""
    return RemoteSpec(model.url, model.model, model.server.value, model.api_key_env, model.ca_file, model.tokenizer)


def _open(model: RemoteModel, interrupt: Interrupt) -> Engine:
    engine = open_remote(spec_of(model), interrupt, os.environ)
    engine.card = replace(engine.card, name=model.name, price=model.price)
    return engine
