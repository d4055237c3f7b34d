"""`confspec doctor`: every finding in words, with what to type next, and a crash that is a sentence."""

import json
import sys
from dataclasses import replace

import pytest
from support.model_sources import at_hub, served

from confspec_cli.app import main
from confspec_cli.engines.llamacpp.dummy_model import write
from confspec_cli.errors import Exit
from confspec_cli.models import gguf
from confspec_cli.models.quants import BLOCKS
from confspec_cli.runtime.diagnosis import INSTALL, Status, SystemSnapshot, findings

DEVICE = {"name": "CPU", "description": "Some processor", "free": 8e9, "total": 16e9}
SELFTEST = {
    "offload": False,
    "backends": ["CPU"],
    "complaint": "",
    "devices": [DEVICE],
    "features": ["AVX2"],
    "amx": False,
    "tokens": 50,
    "seconds": 1.0,
}
TERMINAL = {"is_terminal": True, "width": 80, "colours": "256", "dumb": False, "encoding": "utf-8"}
WELL = SystemSnapshot(
    python="3.11.7",
    package="0.3.36",
    maker=None,
    free=8 * 10**9,
    settings="",
    models=(3, 2 * 10**9),
    partial=0,
    selftest=SELFTEST,
    exit_status=0,
    complaint="",
    model="tiny",
    disks={"/disk": 10**11},
    hub="https://hub",
    hub_error=None,
    has_token=False,
    terminal=TERMINAL,
)


def found(snapshot):
    return {finding.check: finding for finding in findings(snapshot)}


def test_where_all_is_well_nothing_is_to_be_typed():
    assert all(finding.status is Status.OK and not finding.next for finding in findings(WELL))
    assert found(WELL)["device"].says == "CPU: Some processor, 8.0 of 16.0 GB free"
    assert found(WELL)["generation"].says == "works: 50 tokens/s (tiny)"


@pytest.mark.parametrize(
    ("maker", "kind"), [("nvidia", "CUDA"), ("amd", "ROCm"), ("apple", "Metal"), ("other", "Vulkan")]
)
def test_a_gpu_that_the_build_cannot_use_is_told_with_the_line_that_mends_it(maker, kind):
    finding = found(replace(WELL, maker=maker))["build"]
    assert (finding.status, finding.next) == (Status.WARN, INSTALL[kind])


@pytest.mark.parametrize("maker", [None, "nvidia"])
def test_a_build_for_a_gpu_that_finds_none_says_why(maker):
    selftest = {**SELFTEST, "backends": ["CUDA", "CPU"], "complaint": "failed to initialize CUDA: it is too old"}
    finding = found(replace(WELL, maker=maker, selftest=selftest))["build"]
    assert (finding.status, finding.next) == (Status.WARN, "nvidia-smi")
    assert finding.says == (
        "llama.cpp was built with CUDA, but finds no GPU that it can use: failed to initialize CUDA: it is too old"
    )


def test_a_build_for_a_gpu_and_a_processor_with_amx_are_told():
    seen = found(replace(WELL, maker="nvidia", selftest={**SELFTEST, "offload": True, "amx": True}))
    assert seen["build"].status is Status.OK
    assert seen["amx"].says == "AMX kernels are disabled (they can crash)"
    selftest = {**SELFTEST, "amx": True, "features": ["AVX2", "REPACK"]}
    assert found(replace(WELL, selftest=selftest))["amx"].says.endswith("; other optimised kernels are used")
    assert "amx" not in found(WELL)


@pytest.mark.parametrize(
    ("changes", "check", "status", "says", "following"),
    [
        (
            {"selftest": None, "exit_status": -11},
            "generation",
            "fail",
            "crashed in native code (SIGSEGV)",
            "pip install",
        ),
        (
            {"selftest": None, "exit_status": 1, "complaint": "no"},
            "generation",
            "fail",
            "failed: no",
            "confspec models verify",
        ),
        (
            {"selftest": None, "exit_status": 1, "model": None},
            "generation",
            "fail",
            "generation with a generated test model failed",
            "pip install",
        ),
        ({"models": (0, 0)}, "models", "warn", "no models downloaded", "confspec pull tiny"),
        ({"selftest": {**SELFTEST, "tokens": 1}}, "generation", "warn", "1 tokens/s", "confspec ask -p tiny"),
        ({"disks": {"/disk": 10**9}}, "disk", "warn", "1.0 GB free at /disk", "confspec models list"),
        ({"settings": "models.yaml, line 3: no"}, "settings", "fail", "models.yaml, line 3: no", "fix that line"),
        ({"partial": 10**9}, "models", "warn", "1.0 GB of partial downloads", "confspec models list --all"),
        (
            {"hub_error": "refused", "models": (0, 0)},
            "hub",
            "warn",
            "cannot reach https://hub (refused)",
            "confspec pull starter",
        ),
        ({"terminal": {**TERMINAL, "dumb": True}}, "terminal", "warn", "no colour", "export TERM"),
    ],
)
def test_what_is_wrong_comes_with_what_to_type(changes, check, status, says, following):
    finding = found(replace(WELL, **changes))[check]
    assert finding.status.value == status
    assert says in finding.says
    assert following in finding.next


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    """A user whose smallest model is a tiny one, and a hub that answers."""
    config = tmp_path / "config"
    config.mkdir()
    model = f"{{files: [{{name: mine.gguf, sources: [{{path: {tiny('llama')}}}]}}]}}"
    (config / "models.yaml").write_text(f"models: {{mine: {model}}}")
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(config))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    with served(lambda method, path: (200, {}, b"")) as address:
        at_hub(monkeypatch, tmp_path, address)
        yield tmp_path


def test_what_is_downloaded_already_is_not_to_be_pulled():
    assert found(replace(WELL, hub_error="refused"))["hub"].next == ""


def test_a_real_model_writes_for_a_moment_in_a_process_of_its_own(home, capsys):
    assert main(["doctor", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    seen = {finding["check"]: finding for finding in document["findings"]}
    assert seen["generation"]["status"] in ("ok", "warn")
    assert seen["generation"]["says"].endswith(" tokens/s (mine)")
    assert seen["hub"]["status"] == "ok"
    assert seen["device"]["says"].startswith("CPU: ")
    assert seen["models"]["says"].startswith("1 ")
    assert sorted(document["install"]) == ["CUDA", "Metal", "ROCm", "Vulkan"]


def test_nothing_in_the_current_folder_is_run(home, capsys, monkeypatch):
    here = home / "here"
    here.mkdir()
    for name in ("tempfile", "dataclasses", "jinja2", "numpy", "llama_cpp"):
        (here / f"{name}.py").write_text("raise SystemExit('this should not run')")
    monkeypatch.chdir(here)
    assert main(["doctor"]) == Exit.OK
    assert "should not run" not in capsys.readouterr().out


def test_where_no_model_is_here_one_is_made_up_that_goes_through_the_same_code(home, capsys):
    (home / "config" / "models.yaml").unlink()
    assert main(["doctor", "--json"]) == Exit.OK
    seen = {finding["check"]: finding for finding in json.loads(capsys.readouterr().out)["findings"]}
    assert seen["generation"]["says"].endswith(" tokens/s (a generated test model)")
    assert (seen["models"]["status"], seen["models"]["next"]) == ("warn", "confspec pull tiny")


def test_the_made_up_model_is_a_sound_one(tmp_path):
    header = gguf.read(write(tmp_path / "made-up.gguf"))
    gguf.check(header)
    assert "Q8_0" in {BLOCKS[tensor.kind][0] for tensor in header.tensors}


def test_a_crash_in_native_code_is_a_sentence_and_not_a_crash(home, capsys, monkeypatch):
    crashing = home / "python"
    crashing.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crashing.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crashing))
    assert main(["doctor"]) == Exit.FAILURE
    assert "FAIL  generation  generation with mine crashed in native code (SIGSEGV)" in capsys.readouterr().out


def test_a_models_yaml_that_cannot_be_read_is_a_finding_and_the_rest_is_looked_at(home, capsys):
    (home / "config" / "models.yaml").write_text("pears: {}")
    assert main(["doctor"]) == Exit.FAILURE
    out = capsys.readouterr().out
    assert 'line 1: there is no key "pears"' in out
    assert "  terminal  " in out


def test_a_file_that_is_no_model_is_told_in_words(home, capsys):
    (home / "broken.gguf").write_bytes(b"GGUF" + bytes(100))
    file = home / "config" / "models.yaml"
    file.write_text(f"models: {{mine: {{files: [{{name: b.gguf, sources: [{{path: {home / 'broken.gguf'}}}]}}]}}}}")
    assert main(["doctor"]) == Exit.FAILURE
    assert "generation with mine failed: " in capsys.readouterr().out
