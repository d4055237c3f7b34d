"""One kept-alive connection to a server: JSON and streams in, a sentence out for everything that can go wrong.

Only what is safe is sent again: a request that was not answered at all, or that the server asks to repeat. An interrupt
wakes a call that waits for the server, and the server sees the connection close.
"""

from __future__ import annotations

import functools
import json
import ssl
import time
from collections.abc import Callable, Generator, Iterator, Mapping
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.spec import RemoteSpec
from confspec_cli.engines.remote.waker import LOOK, Waker
from confspec_cli.errors import Interrupted, ServerError

_LARGEST = 256 << 20  # bytes of an answer, and of one line of a stream
_BUSY = (429, 503)


@dataclass(frozen=True, slots=True)
class Patience:
    """How long to wait for a server, in seconds, and how often to ask again; pauses double from `pause` on.

    One that is busy is asked again so many times; one that nothing answers for any more, once.
    """

    connect: float = 10.0
    read: float = 300.0
    retries: int = 4
    pause: float = 0.5
    longest_pause: float = 30.0


class StatusError(ServerError):
    """An answer with a status that is no success; `body` is what came with it."""

    def __init__(self, error: ServerError, status: int, body: bytes) -> None:
        super().__init__(str(error), error.hint, error.is_away)
        self.status = status
        self.body = body


class Connection:
    """A connection to one server, for one request at a time; one more may be sent while a stream is read."""

    def __init__(
        self, spec: RemoteSpec, interrupt: Interrupt, environ: Mapping[str, str], patience: Patience | None = None
    ) -> None:
        self.base = spec.base
        self.notices: list[str] = []  # what had to be asked again, and why
        self.pausing: Callable[[], AbstractContextManager[None]] = nullcontext  # around a wait for a busy server
        self.was_lost = False  # the server was away meanwhile, and may be another one now
        self._proxy = "" if spec.is_loopback else _proxy_to(spec.base)
        self._key, self._key_name = spec.key(environ), spec.api_key_env
        self._interrupt = interrupt
        self._patience = patience or Patience()
        self._was_there = False  # it has answered before, and may again after a restart
        self._is_new = False  # whether this request opened the connection
        self._waker = Waker(interrupt)
        headers = {"Authorization": f"Bearer {self._key}"} if self._key else {}
        self._client = httpx2.Client(
            headers=headers,
            verify=_trusted(spec.ca_file, not spec.is_loopback),
            timeout=httpx2.Timeout(self._patience.read, connect=self._patience.connect, pool=self._patience.connect),
            limits=httpx2.Limits(max_connections=2, max_keepalive_connections=1, keepalive_expiry=60.0),
            trust_env=not spec.is_loopback,  # proxies are for what is elsewhere
            follow_redirects=False,
        )

    def get(self, path: str) -> Any:
        """The JSON at a path."""
        return self._json("GET", path, None)

    def post(self, path: str, body: Mapping[str, Any]) -> Any:
        """The JSON that answers a request."""
        return self._json("POST", path, body)

    def find(self, path: str) -> Any:
        """The JSON at a path, or None where the server has nothing there."""
        try:
            return self.get(path)
        except StatusError as problem:
            if problem.status in (400, 404, 405, 501):
                return None
            raise
        except NonsenseError:
            return None

    def stream(self, path: str, body: Mapping[str, Any]) -> Generator[Any, None, bool]:
        """The JSON of each event of a streamed answer; closing it half-way closes the connection.

        Returns whether the stream ended with its mark.
        """
        with self._waker.watching(), self._answer("POST", path, body) as response:
            for line in self._lines(response):
                if not line.startswith(b"data:"):
                    continue
                data = line[5:].strip()
                if data == b"[DONE]":
                    return True
                yield self._parsed(data, response)
        return False

    def close(self) -> None:
        """Let go of the server; calling it twice is fine."""
        self._waker.close()
        self._client.close()

    def _json(self, method: str, path: str, body: Mapping[str, Any] | None) -> Any:
        with self._waker.watching(), self._answer(method, path, body) as response:
            return self._parsed(self._whole(response), response)

    @contextmanager
    def _answer(self, method: str, path: str, body: Mapping[str, Any] | None) -> Iterator[httpx2.Response]:
        with closing(self._sent(method, path, body)) as response:
            if response.status_code != 200:
                said = self._whole(response)
                status, headers = response.status_code, response.headers
                error = faults.of_status(status, headers, said, self.base, path, self._key_name)
                raise StatusError(self._redacted(error), status, said)
            yield response

    def _sent(self, method: str, path: str, body: Mapping[str, Any] | None) -> httpx2.Response:
        """The beginning of the answer, asked for again where that is safe."""
        attempt, resent = 0, False
        while True:
            if self._interrupt.is_set():
                raise Interrupted("Stopped.")
            self._is_new = False
            content = None if body is None else json.dumps(body, ensure_ascii=False).encode("utf-8", "replace")
            request = self._client.build_request(
                method,
                self.base + path,
                content=content,
                headers={"Content-Type": "application/json"} if content is not None else {},
                extensions={"trace": self._note},
            )
            try:
                response = self._client.send(request, stream=True)
            except httpx2.TransportError as problem:
                self._stop_if_asked()
                is_stale = isinstance(problem, httpx2.NetworkError | httpx2.RemoteProtocolError) and not self._is_new
                if is_stale and not resent:
                    resent = True  # the server let go of a connection that was kept
                    continue
                may_return = self._was_there and isinstance(problem, httpx2.ConnectError) and not attempt
                if not may_return or not self._waits(0, "", "did not answer"):
                    raise self._fault(problem) from problem
                self.was_lost = True
            else:
                self._was_there = True
                if response.status_code not in _BUSY:
                    return response
                with closing(response), self.pausing():
                    why = f"was busy ({response.status_code})"
                    if not self._waits(attempt, response.headers.get("Retry-After", ""), why):
                        said = self._whole(response)
                        error = faults.of_status(
                            response.status_code, response.headers, said, self.base, path, self._key_name
                        )
                        raise StatusError(self._redacted(error), response.status_code, said)
            attempt += 1

    def _waits(self, attempt: int, asked: str, why: str) -> bool:
        """Wait before asking again; False where that was done often enough, or the server wants a longer wait."""
        patience = self._patience
        if attempt >= patience.retries:
            return False
        seconds = float(asked) if asked.isascii() and asked.isdigit() else patience.pause * 2**attempt
        if seconds > patience.longest_pause:
            return False
        self.notices.append(f"{self.base} {why} and was asked again after {seconds:g} s")
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._stop_if_asked()
            time.sleep(min(left, LOOK))
        return True

    def _whole(self, response: httpx2.Response) -> bytes:
        return b"".join(self._chunks(response))

    def _lines(self, response: httpx2.Response) -> Iterator[bytes]:
        held = b""
        for chunk in self._chunks(response):
            *lines, held = (held + chunk).split(b"\n")
            yield from lines

    def _chunks(self, response: httpx2.Response) -> Iterator[bytes]:
        size = 0
        try:
            for chunk in response.iter_bytes():
                self._stop_if_asked()
                size += len(chunk)
                if size > _LARGEST:
                    raise faults.nonsense(self.base, "more than anybody asked for")
                yield chunk
        except httpx2.TransportError as problem:
            self._stop_if_asked()
            self.was_lost = True
            raise self._fault(problem) from problem
        except httpx2.DecodingError as problem:
            raise faults.nonsense(self.base, "bytes that cannot be decoded") from problem
        self._stop_if_asked()

    def _parsed(self, data: bytes, response: httpx2.Response) -> Any:
        try:
            return json.loads(data.decode())  # of bytes it would guess the encoding
        except (ValueError, RecursionError) as problem:
            is_page = "html" in response.headers.get("Content-Type", "") or data.lstrip()[:1] == b"<"
            what = "a web page" if is_page else "something that is not JSON"
            raise NonsenseError(str(faults.nonsense(self.base, what)), "check the URL") from problem

    def _fault(self, problem: httpx2.TransportError) -> ServerError:
        return self._redacted(faults.of_transport(problem, self.base, self._patience.read, self._proxy))

    def _redacted(self, error: ServerError) -> ServerError:
        """The error, without the key, which a server may repeat."""
        return ServerError(str(error).replace(self._key, "***"), error.hint, error.is_away) if self._key else error

    def _stop_if_asked(self) -> None:
        if self._interrupt.is_set():
            raise Interrupted("Stopped.")

    def _note(self, event: str, info: Mapping[str, Any]) -> None:
        """Note the socket of a new connection."""
        if event in ("connection.connect_tcp.complete", "connection.start_tls.complete"):
            self._is_new = True
            self._waker.add(info["return_value"].get_extra_info("socket"))


class NonsenseError(ServerError):
    """An answer that is no JSON."""


def _proxy_to(base: str) -> str:
    """The proxy that the environment names for a URL, without user and password; empty for none."""
    parts = urlsplit(base)
    proxy = getproxies().get(parts.scheme, "")
    if not proxy or proxy_bypass(parts.netloc):
        return ""
    return urlsplit(proxy if "://" in proxy else f"//{proxy}").netloc.rpartition("@")[2]


@functools.cache
def _trusted(ca_file: str, trusts_environment: bool) -> ssl.SSLContext:
    """The certificates to trust: reading those of the system takes longer than a request."""
    if not ca_file:
        return httpx2.create_ssl_context(trust_env=trusts_environment)
    try:
        return ssl.create_default_context(cafile=ca_file)
    except (OSError, ssl.SSLError) as problem:
        raise faults.unreadable_ca(ca_file, problem) from problem
