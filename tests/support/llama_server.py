"""A real llama-server on loopback in a child process, from the package xllamacpp: an address to connect to."""

import importlib.util
import os
import subprocess
import sys
from contextlib import contextmanager

import pytest

_CODE = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.n_ctx, params.port = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
params.hostnames, params.n_parallel, params.cpuparams.n_threads = ["127.0.0.1"], 1, 2
params.warmup, params.verbosity = False, -1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()  # until the test is done, or gone
"""


def is_installed():
    """Whether there is a llama-server to start."""
    return importlib.util.find_spec("xllamacpp") is not None


needs_llama_server = pytest.mark.skipif(not is_installed(), reason="needs llama-server: pip install xllamacpp")


def start(path, context=2048, port=0, stays=False):
    """Serve a GGUF file until the standard input of the process is closed, or for good; the process, and the URL."""
    read, write = os.pipe()
    child = subprocess.Popen(
        [sys.executable, "-c", _CODE, str(path), str(context), str(port)],
        stdin=read,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, "GOMP_SPINCOUNT": "1000"},
        pass_fds=(write,) if stays else (),  # so that it holds its own input open
        start_new_session=stays,
    )
    os.close(read)
    child.stdin = os.fdopen(write, "w")
    return child, child.stdout.readline().strip()


@contextmanager
def llama_server(path, context=2048, port=0):
    """Serve a GGUF file; yields the URL."""
    child, address = start(path, context, port)
    try:
        assert address, "llama-server did not start"
        yield address
    finally:
        child.stdin.close()
        try:
            child.wait(10)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        child.stdout.close()
