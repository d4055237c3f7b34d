"""Native calls on a thread of their own, while signals come."""

import os
import signal
import threading
import time

import pytest

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp.native import Worker
from confspec_cli.errors import Interrupted


@pytest.mark.parametrize("asked_before", [True, False])
def test_a_signal_that_raises_ends_the_call_and_leaves_an_earlier_request_to_stop_standing(asked_before):
    interrupt, ended = Interrupt(), threading.Event()
    worker = Worker(interrupt)

    def stop(*_):
        if asked_before:
            interrupt.set()
        raise Interrupted("Stopped.")

    def call():
        threading.Timer(0.05, os.kill, (os.getpid(), signal.SIGUSR1)).start()
        while not interrupt.is_set():
            time.sleep(0.005)
        ended.set()

    before = signal.signal(signal.SIGUSR1, stop)
    try:
        with pytest.raises(Interrupted):
            worker.run(call)
    finally:
        signal.signal(signal.SIGUSR1, before)
        worker.close()
    assert ended.is_set()
    assert interrupt.is_set() is asked_before
