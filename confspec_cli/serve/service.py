"""Requests meet models: a request waits in the line, runs in a slot, and is stopped when its client goes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass

from confspec_cli.core.events import Event
from confspec_cli.core.run_config import authors
from confspec_cli.errors import Interrupted
from confspec_cli.runtime.options import RunOptions
from confspec_cli.serve.chat_request import ChatRequest, models_of
from confspec_cli.serve.completion import Completion
from confspec_cli.serve.line import Line
from confspec_cli.serve.metrics import Metrics
from confspec_cli.serve.refusal import Refusal, refusal_of
from confspec_cli.serve.slot import Job, Outcome, Slot

_PATIENCE = 1.0  # seconds between two words of where one stands in the line
_GONE = Refusal(499, "The client has closed the connection.", "client_closed_request")
_STOPPED = Refusal(503, "The run was stopped before it began.", "stopped", retry_after=1)


@dataclass(frozen=True, slots=True)
class Limits:
    """How many may wait, and how long a run may take, in seconds."""

    waiting: int = 64
    seconds: float = 600.0


class Service:
    """A pair that is served, in as many slots as can run at once; leaving it frees the models."""

    def __init__(self, pair: str, options: RunOptions, slots: Sequence[Slot], limits: Limits) -> None:
        self.pair = pair
        self.options = options
        self.models = models_of(pair, options)
        self.limits = limits
        self.line = Line(slots, limits.waiting)
        self.metrics = Metrics()
        self._slots = slots
        self._cards = slots[0].cards  # now, as a request may need fewer models

    def about(self, model: str) -> dict[str, str | int]:
        """Which models answer under a name, and the context they have together, in tokens."""
        used = [self._cards[author] for author in authors(self.models[model])]
        return {"name": " + ".join(card.name for card in used), "context_length": min(card.context for card in used)}

    def __enter__(self) -> Service:
        return self

    def __exit__(self, *_: object) -> None:
        for slot in self._slots:
            slot.close()

    def close(self, grace: float) -> None:
        """Take no more requests, send away those who wait, and end what still runs after `grace` seconds."""
        self.line.close()
        for slot in self._slots:
            asyncio.get_running_loop().call_later(grace, slot.stop)


class Run:
    """One request from the line to its last event."""

    def __init__(self, service: Service, chat: ChatRequest, client: str) -> None:
        self._service = service
        self._client = client
        self._job = Job(chat)
        self._is_stopped = False
        self._place: asyncio.Future[Slot] | None = None
        self._slot: Slot | None = None
        self._events: asyncio.Queue[Event | None] = asyncio.Queue()
        self.completion = Completion(self._job)
        self.waited = 0.0

    def stop(self) -> None:
        """Nobody wants the rest: leave the line, or end the run at its next token."""
        self._is_stopped = True
        if self._slot:
            self._slot.stop()
        elif self._place:
            self._service.line.leave(self._place, _GONE)

    async def events(self) -> AsyncIterator[Event | int]:
        """The events as they happen and, while the run waits, now and then, its position in the line.

        Raises Refusal. Whoever stops listening calls `stop`.
        """
        loop = asyncio.get_running_loop()
        came = loop.time()
        async for position in self._waiting():
            yield position
        self.waited = loop.time() - came
        over = self._start()
        try:
            while (event := await self._events.get()) is not None:
                yield event
                if self.completion.is_stopped:
                    self.stop()
            error = await over
        finally:
            self.stop()
            self._service.metrics.add_run(self.completion.stats, self._job.prompt_tokens, self.waited)
        if error:
            raise _STOPPED if isinstance(error, Interrupted) else refusal_of(error)

    async def _waiting(self) -> AsyncIterator[int]:
        """Wait for a slot; the position now and then."""
        line = self._service.line
        self._place = place = line.enter(self._client)
        try:
            while not place.done():
                await asyncio.wait([place], timeout=_PATIENCE)
                if not place.done():
                    yield line.position(place)
            slot = place.result()
            self._slot = None if self._is_stopped else slot
        finally:
            line.leave(place, _GONE)
            if self._slot is None and place.done() and not place.exception():
                line.give_back(place.result())
        if self._slot is None:
            raise _GONE

    def _start(self) -> asyncio.Future[Outcome]:
        loop, line, slot = asyncio.get_running_loop(), self._service.line, self._slot
        assert slot
        began = loop.time()
        over = slot.start(self._job, self._events.put_nowait)
        timer = loop.call_later(self._service.limits.seconds, self.stop)

        def is_over(_: object) -> None:
            timer.cancel()
            self._slot = None
            line.give_back(slot, loop.time() - began)
            self._events.put_nowait(None)

        over.add_done_callback(is_over)
        return over
