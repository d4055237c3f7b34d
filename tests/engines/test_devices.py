"""Devices are those of the ggml that llama.cpp itself uses."""

import subprocess
import sys

from confspec_cli.engines.llamacpp.devices import backends, devices, features_in, repacked_buffer

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

READS_ALONG = """
import ctypes
from confspec_cli.engines.llamacpp.devices import repacking
from confspec_cli.engines.llamacpp.native import lib
before = repacking()
ggml = lib._lib
ggml.ggml_backend_dev_get.restype = ctypes.c_void_p
ggml.ggml_backend_device_register.argtypes = [ctypes.c_void_p]
functions = (ctypes.c_void_p * 32).from_buffer_copy(ctypes.string_at(ggml.ggml_backend_dev_get(0), 256))
functions[7] = functions[6]  # get_host_buffer_type, which a processor has not: get_buffer_type
ggml.ggml_backend_device_register(ctypes.addressof(functions))
print(len(before.kinds), len(repacking().kinds))
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


def test_nothing_is_repacked_where_a_gpu_can_read_the_weights_of_the_processor():
    done = subprocess.run([sys.executable, "-c", READS_ALONG], capture_output=True, text=True, check=True)
    before, after = map(int, done.stdout.split())
    assert before, "this build repacks nothing on this processor"
    assert not after


def test_every_build_computes_on_the_processor():
    assert "CPU" in backends()


def test_the_features_of_a_build_for_a_gpu_are_those_of_the_processor():
    told = "CUDA : ARCHS = 900 | NO_VMM = 1 | USE_GRAPHS = 1 | CPU : SSE3 = 1 | AVX512 = 0 | REPACK = 1 | "
    assert features_in(told) == ["SSE3", "REPACK"]
