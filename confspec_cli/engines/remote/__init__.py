"""Models behind HTTP servers: one engine for all of them, and a small dialect for each kind of server.

Importing this package loads no HTTP client; opening a server does.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.remote.spec import RemoteSpec, ServerReport

if TYPE_CHECKING:
    from confspec_cli.engines.remote.chat_engine import ChatEngine
    from confspec_cli.engines.remote.remote_engine import RemoteEngine

__all__ = ["RemoteSpec", "ServerReport", "open_remote", "probe"]


def open_remote(spec: RemoteSpec, interrupt: Interrupt, environ: Mapping[str, str]) -> RemoteEngine | ChatEngine:
    """The model behind a server, found out about and ready.

    Raises UsageError for a URL or key that cannot be used, and ServerError where the server cannot be.
    """
    from confspec_cli.engines.remote.opening import open_engine  # noqa: PLC0415 - loads the HTTP client

    return open_engine(spec, interrupt, environ)


def probe(spec: RemoteSpec, environ: Mapping[str, str]) -> ServerReport:
    """What the server is and can do, tried out; raises like `open_remote`."""
    from confspec_cli.engines.remote.probing import report_on  # noqa: PLC0415 - loads the HTTP client

    return report_on(spec, environ)
