"""What models take in memory: held against what llama.cpp allocates, and shared out between devices."""

import json

import pytest

from confspec_cli.app import main
from confspec_cli.bench.memory import allocated, estimated
from confspec_cli.commands import fit
from confspec_cli.errors import Exit
from confspec_cli.memory import Need, shares
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store

GB = 10**9
DRAFT, TARGET = Need(1 * GB, 0, GB // 10, GB // 10, 10, GB // 10), Need(8 * GB, 0, GB, GB // 2, 40, 9 * GB // 40)


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

    from confspec_cli.folders import models_folder

    paths = Store(models_folder(os.environ)).find(load(None).model(name))
    if not paths:
        pytest.skip(f"{name} is not here: confspec pull {name}")
    for context in (512, 8192):
        assert estimated(paths[0], context, kv_type) == pytest.approx(allocated(paths[0], context, kv_type), rel=0.05)


def test_both_go_to_a_gpu_with_room_for_both():
    assert [(share.layers, share.whole) for share in shares([DRAFT, TARGET], 12 * GB)] == [(10, True), (40, True)]


def test_the_draft_goes_first_and_the_target_takes_what_is_left():
    draft, target = shares([DRAFT, TARGET], 6 * GB)
    assert draft.whole
    assert (target.whole, 0 < target.layers < 40) == (False, True)
    assert draft.bytes + target.bytes <= 6 * GB


def test_where_nothing_fits_nothing_goes_there():
    assert [share.layers for share in shares([TARGET, TARGET], GB // 4)] == [0, 0]


@pytest.fixture
def home(tmp_path, monkeypatch, tiny):
    (tmp_path / "config").mkdir()
    file = f"{{name: a.gguf, sources: [{{path: {tiny('llama')}}}]}}"
    pair = "{draft: mine, target: mine}"
    (tmp_path / "config" / "models.yaml").write_text(f"models: {{mine: {{files: [{file}]}}}}\npairs: {{ours: {pair}}}")
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))


def machine(monkeypatch, free, gpus=None):
    monkeypatch.setattr(fit, "_machine", lambda: fit._Machine(free, gpus or {}, True))


def test_fit_tells_both_models_and_what_is_free(home, capsys, monkeypatch):
    machine(monkeypatch, 4 * GB)
    assert main(["fit", "ours", "--context", "512"]) == Exit.OK
    out = capsys.readouterr().out
    assert "draft mine" in out
    assert "target mine" in out
    assert "for 512 tokens of f16 cache each; free: 4.0 GB of memory" in out


def test_what_does_not_fit_is_exit_4_with_advice(home, capsys, monkeypatch):
    machine(monkeypatch, 1000)
    assert main(["fit", "ours"]) == Exit.OUT_OF_MEMORY
    assert "--kv-type q8_0" in capsys.readouterr().err


def test_on_a_gpu_it_is_told_how_much_goes_there(home, capsys, monkeypatch):
    machine(monkeypatch, 4 * GB, {"CUDA0": 8 * GB})
    assert main(["fit", "ours"]) == Exit.OK
    assert "draft: all of it on the GPU" in capsys.readouterr().out
    assert main(["fit", "ours", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert [share["whole"] for share in document["gpu"]] == [True, True]


def test_without_a_pair_the_largest_that_fits_is_taken(home, capsys, monkeypatch):
    machine(monkeypatch, 9 * GB)
    assert main(["fit"]) == Exit.OK
    assert capsys.readouterr().out.startswith("llama-3.1-8b takes about")
    machine(monkeypatch, 1000)
    assert main(["fit"]) == Exit.OUT_OF_MEMORY


def test_this_machine_says_what_is_free():
    assert fit._machine().free > GB // 10
