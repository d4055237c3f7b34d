"""A run as server-sent events, and the watch over a client that may go before its answer is complete."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from confspec_cli.core.events import Event
from confspec_cli.serve.refusal import Refusal
from confspec_cli.serve.service import Run

_HEADERS = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-store"), (b"x-accel-buffering", b"no")]


@contextmanager
def stopping(run: Run, receive: Receive) -> Iterator[None]:
    """While this holds, the run stops when its client goes; it stops for good at the end."""

    async def gone() -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        run.stop()

    watch = asyncio.ensure_future(gone())
    try:
        yield
    finally:
        watch.cancel()
        run.stop()


class Stream(Response):
    """The answer to a request that wants a stream. `done` is told what became of the run."""

    def __init__(self, run: Run, watch: ExitStack, done: Callable[[str], None]) -> None:
        super().__init__()
        self._run, self._watch, self._done = run, watch, done
        self._events = run.events()
        self._first: Event | int = 0

    @classmethod
    async def begun(cls, run: Run, receive: Receive, done: Callable[[str], None]) -> Stream:
        """A stream whose run has begun, or has to wait. Raises Refusal while a status can still be sent."""
        with ExitStack() as watch:
            watch.enter_context(stopping(run, receive))
            stream = cls(run, watch, done)
            stream._first = await anext(stream._events)
            stream._watch = watch.pop_all()
        return stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it."""
        del scope, receive
        with self._watch:
            await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
            async for text in self._texts():
                await send({"type": "http.response.body", "body": text.encode(), "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _texts(self) -> AsyncIterator[str]:
        outcome = "failed"
        try:
            yield self._text(self._first)
            async for event in self._events:
                yield self._text(event)
            outcome = self._run.completion.outcome
        except Refusal as refusal:
            outcome = refusal.code
            yield _data(refusal.body())
        finally:
            self._done(outcome)
        yield "data: [DONE]\n\n"

    def _text(self, event: Event | int) -> str:
        """What is said of an event, or to one who waits: a comment, which clients pass over."""
        if isinstance(event, int):
            return f": waiting, number {event} in the queue\n\n"
        return "".join(map(_data, self._run.completion.chunks(event)))


def _data(value: Any) -> str:
    return f"data: {json.dumps(value)}\n\n"
