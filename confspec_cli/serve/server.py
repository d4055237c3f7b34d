"""The server's life: an address is taken, models work in their slots, and a signal ends it in good order."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass

import uvicorn

from confspec_cli.errors import ConfspecError, UsageError
from confspec_cli.serve.routes import app_of
from confspec_cli.serve.service import Service

_GRACE = 10  # seconds for runs to finish once a signal has come; what they have by then is returned
_UNWINDING = 5  # seconds for them to say so


@dataclass(frozen=True, slots=True)
class Address:
    """Where the server listens, the key it asks for, and the origins of the pages that may use it."""

    host: str
    port: int
    key: str = ""
    origins: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if not self.key and not _is_loopback(self.host):
            raise UsageError(
                f"{self.host} can be reached from other machines, so the server needs a key.",
                "export CONFSPEC_API_KEY=...   # or leave out --host",
            )

    def listen(self) -> socket.socket:
        """A socket that takes connections. Raises ConfspecError where there can be none."""
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        try:
            return socket.create_server((self.host, self.port), family=family, backlog=512)
        except OSError as problem:
            raise ConfspecError(
                f"Cannot listen on {self.host}, port {self.port}: {problem.strerror}.",
                f"--port {self.port % 65535 + 1}",
            ) from problem

    def url(self, listener: socket.socket) -> str:
        """What clients are told as their base URL."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{listener.getsockname()[1]}/v1"


class Server(uvicorn.Server):
    """Uvicorn, which tells the service first when it shuts down."""

    def __init__(self, config: uvicorn.Config, service: Service) -> None:
        super().__init__(config)
        self._service = service

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """Send away those who wait, and let the others finish."""
        self._service.close(_GRACE)
        await super().shutdown(sockets)


def server_of(service: Service, address: Address, log: Callable[[str], None]) -> Server:
    """The server, not yet running."""
    config = uvicorn.Config(
        app_of(service, address.key, address.origins, log),
        log_config=None,  # what goes wrong is on stderr; a line a request is our own affair
        access_log=False,
        server_header=False,
        lifespan="off",
        timeout_graceful_shutdown=_GRACE + _UNWINDING,
    )
    return Server(config, service)


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
