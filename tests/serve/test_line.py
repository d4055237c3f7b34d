"""The line: bounded, fair, and honest about where one stands."""

import asyncio

import pytest

from confspec_cli.serve.line import Line
from confspec_cli.serve.refusal import Refusal


def test_clients_take_turns_however_many_requests_one_of_them_has():
    async def served():
        line = Line(["slot"], 10)
        running = line.enter("busy")
        places = [(client, line.enter(client)) for client in ("busy", "busy", "busy", "late", "last")]
        positions = [line.position(place) for _, place in places]
        order = []
        for _ in places:
            before = {id(place): place.done() for _, place in places}
            line.give_back("slot", 1.0)
            order += [client for client, place in places if place.done() and not before[id(place)]]
        return running.result(), order, positions

    slot, order, positions = asyncio.run(served())
    assert slot == "slot"
    assert order == ["busy", "late", "last", "busy", "busy"]
    assert positions == [1, 4, 5, 2, 3]


def test_a_full_line_says_when_to_come_again():
    async def refused():
        line = Line(["slot"], 2)
        for _ in range(3):
            line.enter("client")
        for _ in range(40):
            line.give_back("slot", 10.0)
            line.enter("client")
        with pytest.raises(Refusal) as caught:
            for _ in range(3):
                line.enter("client")
        return caught.value

    refusal = asyncio.run(refused())
    assert (refusal.status, refusal.headers) == (429, {"Retry-After": "30"})


def test_who_leaves_is_not_served_and_holds_nobody_up():
    async def left():
        line = Line(["slot"], 5)
        line.enter("a")
        first, second = line.enter("a"), line.enter("b")
        line.leave(first, Refusal(499, "gone", "gone"))
        assert line.position(second) == 1
        line.give_back("slot", 1.0)
        with pytest.raises(Refusal, match="gone"):
            first.result()
        return second.result(), line.waiting

    assert asyncio.run(left()) == ("slot", 0)


def test_a_closed_line_sends_everybody_away():
    async def closed():
        line = Line(["slot"], 5)
        line.enter("a")
        waits = line.enter("a")
        line.close()
        with pytest.raises(Refusal, match="shutting down"):
            line.enter("b")
        with pytest.raises(Refusal, match="shutting down"):
            waits.result()
        return line.running

    assert asyncio.run(closed()) == 1
