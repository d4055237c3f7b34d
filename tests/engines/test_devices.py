"""Devices are those of the ggml that llama.cpp itself uses."""

import subprocess
import sys

from confspec_cli.engines.llamacpp.devices import devices, repacked_buffer

REGISTER = """
import ctypes
from confspec_cli.engines.llamacpp.devices import devices
from confspec_cli.engines.llamacpp.native import lib
before = devices()
ggml = lib._lib
ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
ggml.ggml_backend_device_register.argtypes = [ctypes.c_void_p]
another = ctypes.create_string_buffer(ctypes.string_at(ggml.ggml_backend_dev_get(0), 256), 256)  # a copy of the first
ggml.ggml_backend_device_register(ctypes.addressof(another))
print(len(before), len(devices()))
"""


def test_the_processor_is_a_device_with_memory():
    processor = next(device for device in devices() if device.name == "CPU")
    assert 0 < processor.free <= processor.total
    assert processor.description


def test_a_device_registered_in_the_library_in_use_is_seen():
    done = subprocess.run([sys.executable, "-c", REGISTER], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert after == before + 1


def test_the_buffer_that_repacks_is_found():
    assert repacked_buffer()
