"""Native calls on a thread of their own, while signals come."""

import os
import signal
import subprocess
import sys
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


@pytest.mark.parametrize(
    ("given", "seen"),
    [({}, ("ACTIVE", "1000")), ({"OMP_WAIT_POLICY": "passive", "GOMP_SPINCOUNT": "5"}, ("PASSIVE", "5"))],
)
def test_openmp_threads_wait_as_we_ask_unless_the_user_says_otherwise(given, seen):
    inherited = {name: value for name, value in os.environ.items() if name not in ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")}
    told = subprocess.run(
        [sys.executable, "-c", "import confspec_cli.engines.llamacpp.native"],
        env={**inherited, "OMP_DISPLAY_ENV": "verbose", **given},
        capture_output=True,
        text=True,
        check=True,
    ).stderr
    if "GOMP_SPINCOUNT" not in told:
        pytest.skip("this llama.cpp is not built with libgomp")
    assert f"OMP_WAIT_POLICY = '{seen[0]}'" in told
    assert f"GOMP_SPINCOUNT = '{seen[1]}'" in told
