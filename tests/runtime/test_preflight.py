"""What cannot be is refused before anything is downloaded or loaded."""

import pytest
from support.tiny_gguf import THINKING_TEMPLATE

from confspec_cli.app import main
from confspec_cli.errors import Exit, OutOfMemoryError, UsageError
from confspec_cli.models.registry import load
from confspec_cli.runtime.offload import Machine, machine_at_first
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.preflight import refuse_early
from confspec_cli.runtime.resolve import resolve_pair


@pytest.fixture(autouse=True)
def no_models(tmp_path, monkeypatch):
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))


def refused(options, hardware=HardwareOptions()):  # noqa: B008 - frozen
    refuse_early(resolve_pair(load(None), options), options, hardware)


@pytest.fixture
def gpus(monkeypatch):
    """What GPUs there are."""

    def have(*names):
        here = Machine(8 << 30, dict.fromkeys(names, 8 << 30), machine_at_first().repacking)
        monkeypatch.setattr("confspec_cli.runtime.preflight.machine_at_first", lambda: here)

    return have


def test_a_gpu_alone_is_refused_where_there_is_none(gpus):
    gpus()
    with pytest.raises(OutOfMemoryError, match="There is no GPU"):
        refused(RunOptions("tiny"), HardwareOptions(gpu_only=True))
    gpus("CUDA0")
    refused(RunOptions("tiny"), HardwareOptions(gpu_only=True))


def test_a_model_that_is_not_here_is_believed_what_the_registry_says():
    with pytest.raises(UsageError, match="is not a reasoning model"):
        refused(RunOptions("tiny", think=True))
    refused(RunOptions("tiny", think=False))


def test_a_file_that_is_here_is_asked_itself(tiny, tmp_path):
    plain = RunOptions(draft=str(tiny("llama")), target=str(tiny("llama")), think=True)
    with pytest.raises(UsageError, match="is not a reasoning model"):
        refused(plain)
    refused(RunOptions(draft=plain.draft, target=str(tiny("llama", template=THINKING_TEMPLATE)), think=True))
    refused(RunOptions(draft=plain.draft, target=str(tmp_path / "none.gguf"), think=True))  # loading says there is none


def test_ask_says_so_without_offering_a_download(capsys):
    assert main(["ask", "Why?", "-p", "tiny", "--think", "--no-stdin"]) == Exit.USAGE
    said = capsys.readouterr().err
    assert "is not a reasoning model" in said
    assert "\n  confspec ask 'Why?' -p tiny --no-stdin\n" in said
    assert "Not here yet" not in said
