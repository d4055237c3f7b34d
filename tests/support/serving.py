"""A real server on loopback, in a thread, over scripted models or any pools."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field

from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import RunOptions
from confspec_cli.serve.conversations import Conversations
from confspec_cli.serve.server import Address, Server, server_of
from confspec_cli.serve.service import Limits, Service
from confspec_cli.serve.slot import Slot
from confspec_cli.storage.session_store import SessionStore
from support.scripted_chat import ScriptedPool, pool

_OPTIONS, _LIMITS = RunOptions(), Limits()


@dataclass
class Serving:
    """A server that runs. `log` is what it said, a line a request."""

    url: str
    service: Service
    server: Server
    thread: threading.Thread
    log: list[str] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"{self.url}/v1"

    def end(self) -> None:
        """What a signal does."""
        self.server.should_exit = True


@contextmanager
def serving(
    *pools: ModelPool,
    options: RunOptions = _OPTIONS,
    store: SessionStore | None = None,
    limits: Limits = _LIMITS,
    key: str = "",
    origins: Sequence[str] = (),
) -> Iterator[Serving]:
    """Serve these pools, or one of scripted models."""
    address = Address("127.0.0.1", 0, key, tuple(origins))
    conversations = Conversations(store)
    pools = pools or (pool(),)
    slots = [Slot(one, conversations) for one in pools]
    log: list[str] = []
    with Service(pools[0].pair, options, slots, limits) as service, closing(address.listen()) as listener:
        server = server_of(service, address, log.append)
        thread = threading.Thread(target=server.run, args=([listener],), name="server")
        thread.start()
        try:
            yield Serving(address.url(listener).removesuffix("/v1"), service, server, thread, log)
        finally:
            server.should_exit = True
            thread.join()


def slow_pool(seconds: float, **more) -> ScriptedPool:
    """Scripted models that take so long for every word."""

    def slow(_: str) -> float:
        time.sleep(seconds)
        return -0.1

    return pool(likelihood=slow, **more)
