"""Tries out what a server can do, and how long a round trip to it takes."""

from __future__ import annotations

import time
from collections.abc import Mapping

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.remote.opening import open_engine
from confspec_cli.engines.remote.spec import RemoteSpec, ServerReport


def report_on(spec: RemoteSpec, environ: Mapping[str, str]) -> ServerReport:
    """What the server is and can do; see `probe`."""
    engine = open_engine(spec, Interrupt(), environ)
    try:
        began = time.perf_counter()
        engine.ping()
        seconds = time.perf_counter() - began
        kind, _, url = engine.card.server.partition(" ")
        card = engine.card
        return ServerReport(kind, url, card.name, card.context, card.identity, engine.powers, engine.missing, seconds)
    finally:
        engine.close()
