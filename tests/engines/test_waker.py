"""An interrupt wakes every call that waits for a server, by one thread for all of them."""

import socket
import threading

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.remote.waker import Waker


def watchers():
    return [thread for thread in threading.enumerate() if thread.name == "interrupt"]


def test_one_thread_wakes_the_calls_of_all_connections_that_share_an_interrupt_and_ends_with_the_last():
    before, interrupt, other = len(watchers()), Interrupt(), Interrupt()
    wakers = [Waker(interrupt) for _ in range(5)]
    elsewhere = Waker(other)
    pairs = [socket.socketpair() for _ in range(6)]
    ended = []

    def call(waker, pair):
        waker.add(pair[0])
        with waker.watching():
            pair[0].recv(1)  # nothing ever comes
        ended.append(waker)

    threads = [
        threading.Thread(target=call, args=one, daemon=True) for one in zip([*wakers, elsewhere], pairs, strict=True)
    ]
    for thread in threads:
        thread.start()
    interrupt.set()
    for thread in threads[:-1]:
        thread.join(10)
    assert set(ended) == set(wakers)
    assert len(watchers()) == before + 2
    other.set()
    threads[-1].join(10)
    for waker in (*wakers, elsewhere):
        waker.close()
    for one in (one for pair in pairs for one in pair):
        one.close()
    for thread in watchers():
        thread.join(10)
    assert len(watchers()) <= before


def test_after_the_last_connection_was_closed_a_new_one_is_watched_again():
    interrupt = Interrupt()
    for _ in range(2):
        waker, (here, there) = Waker(interrupt), socket.socketpair()
        waker.add(here)
        interrupt.set()
        with waker.watching():
            assert here.recv(1) == b""
        interrupt.clear()
        waker.close()
        here.close()
        there.close()
