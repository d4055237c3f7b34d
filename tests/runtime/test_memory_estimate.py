"""What models take in memory: held against what llama.cpp allocates, and shared out between devices."""

import json
import sys

import pytest

from benchmarks.memory import allocated, estimated
from confspec_cli.app import main
from confspec_cli.commands import fit
from confspec_cli.core.trace import Author
from confspec_cli.core.units import size
from confspec_cli.engines.llamacpp.repacking import Repacking
from confspec_cli.errors import Exit
from confspec_cli.models import gguf
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.runtime import offload as _room
from confspec_cli.runtime.memory_estimate import MemoryEstimate, estimate_memory, plan_layers
from confspec_cli.runtime.options import HardwareOptions

GB = 10**9
DRAFT, TARGET = (
    MemoryEstimate(1 * GB, 0, GB // 10, GB // 10, 10, GB // 10),
    MemoryEstimate(8 * GB, 0, GB, GB // 2, 40, 9 * GB // 40),
)


@pytest.mark.parametrize("context", [512, 2048])
@pytest.mark.parametrize("kind", ["llama", "qwen2"])
def test_the_plan_for_a_tiny_model_is_near_what_is_allocated(tiny, kind, context):
    path = tiny(kind, context=4096)
    assert estimated(path, context, "f16") == pytest.approx(allocated(path, context, "f16"), rel=0.25)


@pytest.mark.model
@pytest.mark.parametrize("kv_type", ["f16", "q8_0", "q4_0"])
@pytest.mark.parametrize("name", ["smollm2-135m-q4_1", "qwen2.5-coder-0.5b-q4_k_m", "qwen2.5-coder-1.5b-q4_k_m"])
def test_the_plan_for_a_real_model_is_within_a_twentieth_of_what_is_allocated(name, kv_type):
    import os

    from confspec_cli.runtime.folders import models_folder

    paths = Store(models_folder(os.environ)).find(load(None).model(name))
    if not paths:
        pytest.skip(f"{name} is not here: confspec pull {name}")
    for context in (512, 8192):
        assert estimated(paths[0], context, kv_type) == pytest.approx(allocated(paths[0], context, kv_type), rel=0.05)


def test_both_go_to_a_gpu_with_room_for_both():
    assert [(share.layers, share.whole) for share in plan_layers([DRAFT, TARGET], 12 * GB)] == [(10, True), (40, True)]


def test_the_draft_goes_first_and_the_target_takes_what_is_left():
    draft, target = plan_layers([DRAFT, TARGET], 6 * GB)
    assert draft.whole
    assert (target.whole, 0 < target.layers < 40) == (False, True)
    assert draft.bytes + target.bytes <= 6 * GB


def test_a_target_without_a_layer_there_still_has_its_buffers_there():
    draft, target = plan_layers([DRAFT, TARGET], DRAFT.total + TARGET.compute)
    assert (draft.whole, target.layers, target.bytes) == (True, 0, TARGET.compute)
    draft, target = plan_layers([DRAFT, TARGET], DRAFT.total + TARGET.compute - 1)
    assert not draft.whole
    assert draft.bytes + target.bytes <= DRAFT.total + TARGET.compute - 1


def test_where_nothing_fits_nothing_goes_there():
    assert [share.layers for share in plan_layers([TARGET, TARGET], GB // 4)] == [0, 0]


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    (tmp_path / "config").mkdir()
    file = f"{{name: a.gguf, sources: [{{path: {tiny('llama')}}}]}}"
    pair = "{draft: mine, target: mine}"
    (tmp_path / "config" / "models.yaml").write_text(f"models: {{mine: {{files: [{file}]}}}}\npairs: {{ours: {pair}}}")
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))


def machine(monkeypatch, free, gpus=None):
    for module in (fit, _room):
        monkeypatch.setattr(module, "machine", lambda: _room.Machine(free, gpus or {}, Repacking()))
    _room.machine_at_first.cache_clear()


def test_fit_tells_both_models_and_what_is_free(home, capsys, monkeypatch):
    machine(monkeypatch, 4 * GB)
    assert main(["fit", "ours", "--context", "512"]) == Exit.OK
    out = capsys.readouterr().out
    assert "draft mine" in out
    assert "target mine" in out
    assert "ours fits, with " in out
    assert "with f16 KV caches of 512 tokens; free: 4.0 GB" in out


def test_what_does_not_fit_is_exit_4_with_the_command_that_would_fit(home, capsys, monkeypatch, tiny):
    smaller = estimate_memory(gguf.read(tiny("llama")), 1024, "q8_0").total
    machine(monkeypatch, 2 * smaller)
    assert main(["fit", "ours", "--context", "2048"]) == Exit.OUT_OF_MEMORY
    command = capsys.readouterr().err.splitlines()[-1].split()
    assert command[:2] == ["confspec", "fit"]
    assert main(command[1:]) == Exit.OK


def test_where_no_setting_would_fit_other_models_are_named(home, capsys, monkeypatch):
    machine(monkeypatch, 1000)
    assert main(["fit", "ours"]) == Exit.OUT_OF_MEMORY
    assert "confspec fit   # or try a smaller quantization of mine" in capsys.readouterr().err
    assert main(["fit", "ours", "--json"]) == Exit.OUT_OF_MEMORY
    assert json.loads(capsys.readouterr().out)["fits"] is False


def test_a_pair_that_is_not_here_is_told_by_its_size_in_json_too(home, capsys, monkeypatch):
    machine(monkeypatch, 9 * GB)
    assert main(["fit", "qwen3-32b", "--json"]) == Exit.OUT_OF_MEMORY
    document = json.loads(capsys.readouterr().out)
    assert (document["here"], document["fits"], document["pair"]) == (False, False, "qwen3-32b")
    assert main(["fit", "qwen3-8b"]) == Exit.OK


def test_what_stays_on_the_processor_is_told_with_what_a_token_costs(home, capsys, monkeypatch, tiny):
    one = estimate_memory(gguf.read(tiny("llama")), 2048)
    room = one.weights + one.kv + 2 * one.compute
    machine(monkeypatch, 4 * GB, {"CUDA0": room})
    assert main(["fit", "ours", "--context", "2048"]) == Exit.OK
    out = capsys.readouterr().out
    assert "draft: all on the GPU" in out
    assert "target: on the CPU" in out
    assert f"reads {size(one.weights)} per token" in out
    machine(monkeypatch, 1000, {"CUDA0": room})
    assert main(["fit", "ours", "--context", "2048"]) == Exit.OUT_OF_MEMORY


def test_on_a_gpu_it_is_told_how_much_goes_there(home, capsys, monkeypatch):
    machine(monkeypatch, 4 * GB, {"CUDA0": 8 * GB})
    assert main(["fit", "ours"]) == Exit.OK
    assert "draft: all on the GPU" in capsys.readouterr().out
    assert main(["fit", "ours", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert [share["whole"] for share in document["gpu"]] == [True, True]


def test_without_a_pair_the_largest_that_fits_is_taken(home, capsys, monkeypatch):
    machine(monkeypatch, 9 * GB)
    assert main(["fit"]) == Exit.OK
    out = capsys.readouterr().out
    assert out.startswith("Best pair for this machine: llama-3.1-8b, the largest that fits and is not too slow")
    assert "llama-3.1-8b needs about" in out
    assert "Next: confspec pull llama-3.1-8b" in out
    assert "not tuned yet. Once downloaded: confspec calibrate llama-3.1-8b FILE" in out
    machine(monkeypatch, 1000)
    assert main(["fit"]) == Exit.OUT_OF_MEMORY


def test_this_machine_says_what_is_free():
    assert _room.machine().free > GB // 10


def test_on_a_processor_no_pair_is_recommended_that_is_too_slow_to_read_along_with(home, capsys, monkeypatch):
    machine(monkeypatch, 100 * GB)
    assert main(["fit"]) == Exit.OK
    assert "\nllama-3.1-8b needs about" in capsys.readouterr().out
    machine(monkeypatch, 100 * GB, {"CUDA0": 80 * GB})
    assert main(["fit", "auto"]) == Exit.OK
    assert "32b needs about" in capsys.readouterr().out


ASK = ["ask", "--no-log", "-q", "-n", "4", "Hi"]


def test_pair_auto_takes_the_best_pair(home, capsys, monkeypatch):
    machine(monkeypatch, 9 * GB)
    assert main([*ASK, "-p", "auto"]) == Exit.MODEL_MISSING
    assert "llama-3.1-8b" in capsys.readouterr().err


def test_what_does_not_fit_on_the_gpu_is_one_line_and_the_answer_comes(home, capsys, monkeypatch):
    machine(monkeypatch, 4 * GB, {"CUDA0": 1000})
    assert main([*ASK, "-p", "ours"]) in (Exit.OK, Exit.NO_ANSWER)
    notes = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: ")]
    assert notes == [
        "note: draft: 0 of 2 layers fit on the GPU; the rest runs on the CPU: confspec fit ours",
        "note: target: 0 of 2 layers fit on the GPU; the rest runs on the CPU: confspec fit ours",
    ]
    assert main([*ASK, "-p", "ours", "--gpu-layers", "1"]) in (Exit.OK, Exit.NO_ANSWER)
    assert "note: " not in capsys.readouterr().err


def test_what_memory_may_not_do_for_is_one_line_and_the_answer_comes(home, capsys, monkeypatch):
    machine(monkeypatch, 10**6)
    assert main([*ASK, "-p", "ours"]) in (Exit.OK, Exit.NO_ANSWER)
    (note,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("note: these models")]
    assert note.endswith("more memory than is free; expect swapping or a crash: confspec fit ours")
    machine(monkeypatch, 4 * GB)
    assert main([*ASK, "-p", "ours"]) in (Exit.OK, Exit.NO_ANSWER)
    assert "more memory than is free" not in capsys.readouterr().err


def test_gpu_only_fails_where_not_all_of_it_fits(home, capsys, monkeypatch):
    machine(monkeypatch, 4 * GB, {"CUDA0": 1000})
    assert main([*ASK, "-p", "ours", "--gpu-only"]) == Exit.OUT_OF_MEMORY
    assert "Not everything fits on the GPU" in capsys.readouterr().err
    machine(monkeypatch, 4 * GB)
    assert main([*ASK, "-p", "ours", "--gpu-only"]) == Exit.OUT_OF_MEMORY
    assert "confspec doctor" in capsys.readouterr().err


def test_the_draft_goes_to_the_gpu_whole_and_the_target_in_part(tiny, monkeypatch):
    small, large = tiny("llama"), tiny("qwen2", context=4096)
    first = estimate_memory(gguf.read(small), 2048)
    second = estimate_memory(gguf.read(large), 2048)
    room = first.weights + first.kv + first.compute + second.compute + second.layer
    machine(monkeypatch, 4 * GB, {"CUDA0": room})
    layout, notes = _room.plan_offload({Author.DRAFT: small, Author.TARGET: large}, HardwareOptions(context=2048), "so")
    assert [layout[author].gpu_layers for author in Author] == [-1, 1]
    assert notes == ["target: 1 of 2 layers fit on the GPU; the rest runs on the CPU: so"]


@pytest.mark.parametrize(
    ("asked", "layers"),
    [
        ({"gpu_layers": 1}, [1, 1]),
        ({"gpu_layers": 0, "draft_gpu_layers": -1}, [-1, 0]),
        ({"draft_gpu_layers": 2}, [2, 1]),
    ],
)
def test_layers_that_are_asked_for_are_not_planned(tiny, monkeypatch, asked, layers):
    small, large = tiny("llama"), tiny("qwen2", context=4096)
    first = estimate_memory(gguf.read(small), 2048)
    second = estimate_memory(gguf.read(large), 2048)
    machine(monkeypatch, 4 * GB, {"CUDA0": first.weights + first.kv + first.compute + second.compute + second.layer})
    options = HardwareOptions(context=2048, **asked)
    layout, _ = _room.plan_offload({Author.DRAFT: small, Author.TARGET: large}, options, "so")
    assert [layout[author].gpu_layers for author in Author] == layers


@pytest.mark.parametrize(
    ("text", "code"), [("auto", Exit.MODEL_MISSING), ("-1", Exit.MODEL_MISSING), ("x", Exit.USAGE)]
)
def test_layers_are_a_number_or_auto(tmp_path, monkeypatch, text, code):
    monkeypatch.setattr(sys, "stdin", None)
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path))
    assert main([*ASK, "--gpu-layers", text]) == code


def test_nothing_is_repacked_of_a_model_that_goes_to_the_gpu_whole():
    small, large = MemoryEstimate(10, 5, 1, 1, 2, 5), MemoryEstimate(1000, 500, 1, 1, 2, 500)
    repacked = {
        free: [one.repacked for one in _room.as_placed([small, large], _room.Machine(9000, gpus, Repacking()))]
        for free, gpus in ((0, {}), (100, {"GPU": 100}), (2000, {"GPU": 2000}))
    }
    assert repacked == {0: [5, 500], 100: [0, 500], 2000: [0, 0]}
