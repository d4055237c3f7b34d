"""The line of those who wait for the models: bounded, and fair to clients rather than to requests.

Clients take turns, so that one who sends fifty requests at once holds nobody up. All of it happens in the event loop's
thread.
"""

from __future__ import annotations

import asyncio
import math
from collections import deque
from collections.abc import Iterable
from typing import Generic, TypeVar

from confspec_cli.serve.refusal import Refusal

S = TypeVar("S")
_WEIGHT = 0.2  # of the last run, in the mean time of a run


class Line(Generic[S]):
    """Hands out slots, each to one at a time. At most `limit` wait."""

    def __init__(self, slots: Iterable[S], limit: int) -> None:
        self._free = list(slots)
        self._slots = len(self._free)
        self._limit = limit
        self._waiting: dict[str, deque[asyncio.Future[S]]] = {}
        self._seconds = 1.0
        self._is_closed = False

    @property
    def waiting(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    @property
    def running(self) -> int:
        """How many have a slot."""
        return self._slots - len(self._free)

    def enter(self, client: str) -> asyncio.Future[S]:
        """A place in the line, which becomes a slot. Raises Refusal where it is full or closed."""
        if self._is_closed:
            raise _closing()
        place: asyncio.Future[S] = asyncio.get_running_loop().create_future()
        if self._free:
            place.set_result(self._free.pop())
            return place
        if self.waiting >= self._limit:
            seconds = math.ceil(self._seconds * (self.waiting + 1) / self._slots)
            raise Refusal(
                429, f"{self.waiting} requests are waiting already.", "queue_full", retry_after=max(seconds, 1)
            )
        self._waiting.setdefault(client, deque()).append(place)
        return place

    def position(self, place: asyncio.Future[S]) -> int:
        """How many are served before this place comes to be, itself included; 0 for one that waits no more."""
        found = next((client for client, places in self._waiting.items() if place in places), None)
        if found is None:
            return 0
        rounds, comes_first = self._waiting[found].index(place), True
        ahead = 0
        for client, places in self._waiting.items():
            if client == found:
                comes_first = False
            else:
                ahead += min(len(places), rounds + comes_first)
        return ahead + rounds + 1

    def leave(self, place: asyncio.Future[S], why: Refusal) -> None:
        """Give up a place that still waits; whoever awaits it is told why."""
        for client, places in list(self._waiting.items()):
            if place in places:
                places.remove(place)
                if not places:
                    del self._waiting[client]
                place.set_exception(why)

    def give_back(self, slot: S, seconds: float | None = None) -> None:
        """A run of so many seconds is over, or there was none: the slot is the next client's."""
        if seconds is not None:
            self._seconds += _WEIGHT * (seconds - self._seconds)
        if not self._waiting:
            self._free.append(slot)
            return
        client = next(iter(self._waiting))
        places = self._waiting.pop(client)
        places.popleft().set_result(slot)
        if places:
            self._waiting[client] = places  # behind everybody else

    def close(self) -> None:
        """Nobody gets a slot any more; those who have one keep it."""
        self._is_closed = True
        for place in [place for places in self._waiting.values() for place in places]:
            self.leave(place, _closing())


def _closing() -> Refusal:
    return Refusal(503, "The server is shutting down.", "shutting_down", retry_after=5)
