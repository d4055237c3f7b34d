"""The HTTP interface: routes, and what every request must get past before it is looked at."""

from __future__ import annotations

import asyncio
import functools
import hmac
import time
from collections.abc import Callable, Sequence

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from confspec_cli.serve.chat_request import parse
from confspec_cli.serve.metrics import CONTENT_TYPE
from confspec_cli.serve.refusal import Refusal
from confspec_cli.serve.schema import openapi
from confspec_cli.serve.service import Run, Service
from confspec_cli.serve.stream import Stream, stopping

_MOST_BYTES = 8 << 20  # of a body
_SLOWEST = 30.0  # seconds for a body to arrive
_HERE = ["localhost", "127.0.0.1", "[::1]"]


class Routes:
    """What is answered at which path. `log` is given a line for every chat completion, without any of its text."""

    def __init__(self, service: Service, key: str, log: Callable[[str], None]) -> None:
        self._service = service
        self._key = key
        self._log = log
        self._started = int(time.time())

    async def health(self, request: Request) -> Response:
        """Whether the server is up, and how busy."""
        del request
        line = self._service.line
        return JSONResponse(
            {"status": "ok", "pair": self._service.pair, "running": line.running, "waiting": line.waiting}
        )

    async def metrics(self, request: Request) -> Response:
        """Counters for Prometheus."""
        self._check_key(request)
        line = self._service.line
        page = self._service.metrics.page({"waiting": line.waiting, "running": line.running})
        return PlainTextResponse(page, media_type=CONTENT_TYPE)

    async def models(self, request: Request) -> Response:
        """The pair, and each of its models alone."""
        self._check_key(request)
        made = {"object": "model", "created": self._started, "owned_by": "confspec"}
        found = [{"id": name, **made, **self._service.about(name)} for name in self._service.models]
        name = request.path_params.get("name")
        if name is None:
            return JSONResponse({"object": "list", "data": found})
        one = next((model for model in found if model["id"] == name), None)
        if one is None:
            raise Refusal(404, f'There is no model "{name}" here.', "model_not_found", param="model")
        return JSONResponse(one)

    async def description(self, request: Request) -> Response:
        """The interface as OpenAPI describes it."""
        del request
        return JSONResponse(openapi(self._service.models))

    async def complete(self, request: Request) -> Response:
        """A chat completion: whole, or streamed."""
        began = time.monotonic()
        run = None
        try:
            self._check_key(request)
            chat = parse(await _body(request), self._service.pair, self._service.options)
            run = Run(self._service, chat, chat.user or (request.client.host if request.client else ""))
            if chat.streams:
                return await Stream.begun(run, request.receive, functools.partial(self._done, run, began))
            with stopping(run, request.receive):
                async for event in run.events():
                    if not isinstance(event, int):
                        run.completion.keep(event)
        except Refusal as refusal:
            self._done(run, began, refusal.code)
            raise
        self._done(run, began, run.completion.outcome)
        return JSONResponse(run.completion.whole())

    def _done(self, run: Run | None, began: float, outcome: str) -> None:
        self._service.metrics.add_request(outcome)
        took, waited = time.monotonic() - began, run.waited if run else 0.0
        tokens = run.completion.stats.total_tokens if run else 0
        self._log(f"{outcome}  {tokens} tokens in {took:.1f} s, {waited:.1f} s of them in the queue")

    def _check_key(self, request: Request) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ").strip()
        if self._key and not hmac.compare_digest(given.encode(), self._key.encode()):
            raise Refusal(401, "The API key is missing or wrong.", "invalid_api_key")


def app_of(service: Service, key: str, origins: Sequence[str], log: Callable[[str], None]) -> Starlette:
    """The application. Pages of `origins` may use it from a browser; without a key, nobody else's name leads here."""
    routes = Routes(service, key, log)
    middleware = [Middleware(TrustedHostMiddleware, allowed_hosts=_HERE)] if not key else []
    if origins:
        headers = ["Authorization", "Content-Type"]
        middleware.append(Middleware(CORSMiddleware, allow_origins=list(origins), allow_headers=headers))
    return Starlette(
        routes=[
            Route("/health", routes.health),
            Route("/metrics", routes.metrics),
            Route("/openapi.json", routes.description),
            Route("/v1/models", routes.models),
            Route("/v1/models/{name:path}", routes.models),
            Route("/v1/chat/completions", routes.complete, methods=["POST"]),
        ],
        middleware=middleware,
        exception_handlers={Refusal: _refused, HTTPException: _not_found, Exception: _failed},
    )


async def _body(request: Request) -> bytes:
    """The body of a request. Raises Refusal for one that is no JSON, too large, or too slow."""
    kind = request.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind != "application/json":  # what a page may send from anywhere, without being allowed to, is another kind
        raise Refusal(415, "The Content-Type must be application/json.", "unsupported_media_type")
    try:
        return await asyncio.wait_for(_read(request), _SLOWEST)
    except asyncio.TimeoutError:
        raise Refusal(408, f"The body did not arrive within {_SLOWEST:.0f} seconds.", "timeout") from None


async def _read(request: Request) -> bytes:
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Refusal(413, f"The body is larger than {_MOST_BYTES >> 20} MiB.", "too_large")
    return bytes(body)


async def _refused(request: Request, error: Exception) -> Response:
    del request
    assert isinstance(error, Refusal)
    return JSONResponse(error.body(), error.status, error.headers)


async def _not_found(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    what = f"{request.method} {request.url.path} does not exist here" if error.status_code == 404 else error.detail
    code = "not_found" if error.status_code == 404 else "method_not_allowed"
    refusal = Refusal(error.status_code, f"{what}.", code)
    return JSONResponse(refusal.body(), error.status_code, error.headers)


async def _failed(request: Request, error: Exception) -> Response:
    del request, error  # the server's log has it
    return JSONResponse(Refusal(500, "confspec failed; its log says how.", "internal_error").body(), 500)
