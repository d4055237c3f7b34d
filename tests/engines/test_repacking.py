"""Weights repacked by name, as on a processor with AMX: only what can be, the same text, and the memory planned for it.

AMX is forced here on whatever processor there is: its own kernels are left out then, and the mechanism is the same.
"""

import ctypes
import os
import re

import pytest
from support import tiny_gguf

from benchmarks.memory import MIB, allocated, estimated
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.engines.llamacpp import devices
from confspec_cli.engines.llamacpp import open_model as loading
from confspec_cli.engines.llamacpp.native import lib
from confspec_cli.engines.llamacpp.repacking import Repacking
from confspec_cli.models import gguf
from confspec_cli.models.gguf import Tensor
from confspec_cli.models.registry import load as load_registry
from confspec_cli.models.store import Store
from confspec_cli.runtime.folders import models_folder
from confspec_cli.runtime.memory_estimate import estimate_memory

X86 = ("AVX2", "AVX512", "REPACK")
Q4_0, Q8_0, Q2_K, Q4_K, Q6_K, MXFP4 = 2, 8, 10, 12, 14, 39
PROMPT = Prompt((Message("user", "A box holds 12 pencils. How many are in 7 boxes?"),))
# All that llama.cpp makes without an importance matrix and this package reads.
QUANTISATIONS = (
    *("F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q2_K", "Q3_K_S", "Q3_K_M", "Q3_K_L"),
    *("Q4_K_S", "Q4_K_M", "Q5_K_S", "Q5_K_M", "Q6_K", "IQ3_S", "IQ3_M", "IQ4_NL", "IQ4_XS", "TQ1_0", "TQ2_0", "MXFP4"),
)
REPACKED = {"Q4_0", "Q2_K", "Q3_K_M", "Q4_K_S", "Q4_K_M", "IQ3_S", "IQ3_M", "IQ4_NL", "MXFP4"}
NEAR = 0.2  # nats between two tokens that are as good as equally likely


class Type(ctypes.Structure):
    """llama_model_tensor_override."""

    _fields_ = [("pattern", ctypes.c_char_p), ("kind", ctypes.c_int)]


@pytest.fixture(scope="module")
def quantized(tmp_path_factory):
    """A tiny model whose rows are long enough for every quantization, in one of them."""
    folder = tmp_path_factory.mktemp("quantized")
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {"_EMBEDDING": 256, "_FEED_FORWARD": 256, "_HEADS": 8}.items():
            patch.setattr(tiny_gguf, name, value)
        wide = tiny_gguf.write(folder / "wide.gguf", bias={"<|im_end|>": -40})

    def made(quantization):
        path = folder / f"{quantization}.gguf"
        if not path.exists():
            parameters = lib.llama_model_quantize_default_params()
            types = (Type * 2)()
            if quantization == "MXFP4":  # llama.cpp has it for experts alone
                types[0] = Type(rb"blk\..*(attn|ffn)_(q|k|v|output|gate|up|down)\.weight", MXFP4)
                parameters.tt_overrides = ctypes.cast(types, type(parameters.tt_overrides))
                quantization = "Q8_0"
            parameters.ftype = getattr(lib, f"LLAMA_FTYPE_MOSTLY_{quantization}")
            assert lib.llama_model_quantize(str(wide).encode(), str(path).encode(), parameters) == 0
        return path

    return made


@pytest.fixture
def written(load, monkeypatch):
    """The first tokens a model writes, loaded in one of three ways, and what it makes of a reply."""

    def by(path, how, count=48, **hardware):
        with monkeypatch.context() as patch:
            if how != "by llama.cpp":
                patch.setattr(devices, "has_amx", lambda: True)
            if how == "plain":
                patch.setattr(loading, "repacking", lambda: Repacking(by_name=True))
            engine = load(path, threads=1, **hardware)
        return [token.text for token in engine.generate(PROMPT, Sampling(), count)], engine

    return by


def are_near(one, other, engine):
    """Whether two texts differ at most from a place on where both go on about as likely, as `engine` reads them."""
    for place, (first, second) in enumerate(zip(one, other, strict=True)):
        if first != second:
            so_far = Prompt(PROMPT.messages, ("".join(one[:place]),) if place else ())
            likely = [engine.score(so_far, text)[0].logprob for text in (first, second)]
            return abs(likely[0] - likely[1]) < NEAR
    return True


def matrix(name, kind=Q4_K, shape=(256, 64)):
    return Tensor(name, shape, kind, 0)


@pytest.mark.parametrize(
    ("tensor", "is_named", "is_taken"),
    [
        (matrix("blk.0.attn_q.weight"), True, True),
        (matrix("blk.27.ffn_down.weight", Q4_0), True, True),
        (matrix("blk.3.attn_v.weight", Q2_K), True, True),
        (matrix("blk.3.attn_v.weight", MXFP4), True, True),
        (matrix("output.weight"), False, True),
        (matrix("blk.0.ssm_in.weight"), False, True),
        (matrix("token_embd.weight"), False, False),
        (matrix("blk.0.attn_q.weight", Q6_K), False, False),
        (matrix("blk.0.attn_q.weight", Q8_0), False, False),
        (matrix("blk.0.attn_q.weight", shape=(256, 60)), False, False),
        (matrix("blk.0.attn_q.weight", shape=(256,)), False, False),
        (matrix("blk.0.ffn_gate_exps.weight", shape=(256, 64, 8)), False, False),
        (matrix("blk.0.attn_q.weight", shape=(256, 64, 8)), False, False),
        (matrix("enc.blk.0.attn_q.weight"), False, True),
        (matrix("blk.0.attn_q.weight.scale"), False, True),
    ],
)
def test_a_weight_is_named_only_where_it_can_be_repacked_and_is_only_multiplied_with(tensor, is_named, is_taken):
    assert Repacking.of(X86, by_name=True).takes(tensor) is is_named
    assert Repacking.of(X86, by_name=False).takes(tensor) is is_taken


@pytest.mark.parametrize(
    ("features", "kinds"),
    [
        ((), set()),
        (("AVX2", "AVX512"), set()),
        (("REPACK",), set()),
        (("AVX2", "REPACK"), {Q4_0, Q4_K, 20, MXFP4}),
        (X86, {Q2_K, Q4_0, Q4_K, 20, MXFP4}),
    ],
)
def test_what_can_be_repacked_is_what_the_build_has_kernels_for(features, kinds):
    assert Repacking.of(features, by_name=True).kinds == kinds


def test_patterns_match_the_names_and_no_other_and_weights_of_the_same_layers_share_one():
    tensors = [matrix(f"blk.{n}.{what}.weight") for n in range(12) for what in ("attn_q", "ffn_up")]
    tensors += [matrix(f"blk.{n}.ffn_down.weight", Q4_K if n % 2 else Q6_K) for n in range(12)]
    tensors += [matrix("output.weight"), matrix("blk.1.attn_q.bias", shape=(256,)), matrix("blk.0.ssm_in.weight")]
    repacking = Repacking.of(X86, by_name=True)
    patterns = repacking.patterns(tensors)
    assert len(patterns) == 2
    named = [tensor for tensor in tensors if any(re.search(pattern, tensor.name) for pattern in patterns)]
    assert named == [tensor for tensor in tensors if repacking.takes(tensor)]
    assert len(named) == 12 + 12 + 6
    assert Repacking.of(X86, by_name=False).patterns(tensors) == []


def test_this_build_has_a_buffer_that_repacks_if_it_says_so():
    assert bool(devices.repacked_buffer()) is ("REPACK" in devices.features())


@pytest.mark.parametrize("quantization", QUANTISATIONS)
def test_every_quantization_loads_and_writes_the_same_with_its_weights_repacked_by_name(
    quantized, written, quantization
):
    path = quantized(quantization)
    named, _ = written(path, "by name")
    plain, engine = written(path, "plain")
    assert are_near(plain, named, engine)
    assert len(set(named)) > 10


@pytest.mark.skipif(not set(X86) <= set(devices.features()), reason="needs AVX-512")
@pytest.mark.parametrize("quantization", QUANTISATIONS)
def test_the_weights_llama_cpp_repacks_by_itself_are_the_ones_that_are_named(
    quantized, written, monkeypatch, quantization
):
    path = quantized(quantization)
    named, by_itself = written(path, "by name")[0], written(path, "by llama.cpp")[0]
    assert named == by_itself
    assert allocated(path, 512, "f16") == pytest.approx(estimated(path, 512, "f16"), rel=0.05)
    monkeypatch.setattr(devices, "has_amx", lambda: True)
    repacked = estimate_memory(gguf.read(path), 512, "f16", devices.repacking()).repacked
    more = allocated(path, 512, "f16")
    monkeypatch.setattr(loading, "repacking", lambda: Repacking(by_name=True))
    assert more - allocated(path, 512, "f16") == pytest.approx(repacked / MIB, rel=0.3)  # it maps a little less then
    assert bool(repacked) is (quantization in REPACKED)


@pytest.mark.parametrize("kind", tiny_gguf.KINDS)
def test_every_architecture_loads_and_writes_with_names_given(tiny, written, kind, tmp_path):
    path, small = tiny(kind), tmp_path / "small.gguf"
    parameters = lib.llama_model_quantize_default_params()
    parameters.ftype = lib.LLAMA_FTYPE_MOSTLY_Q4_0
    assert lib.llama_model_quantize(str(path).encode(), str(small).encode(), parameters) == 0
    named, _ = written(small, "by name")
    plain, engine = written(small, "plain")
    assert are_near(plain, named, engine)


def test_nothing_is_named_where_layers_go_to_a_gpu(quantized, load, monkeypatch):
    asked = []
    monkeypatch.setattr(devices, "has_amx", lambda: True)
    monkeypatch.setattr(
        loading, "_overrides", lambda patterns, was=loading._overrides: asked.append(patterns) or was(patterns)
    )
    path = quantized("Q4_K_S")
    load(path, gpu_layers=0)
    load(path, gpu_layers=-1)
    load(path, gpu_layers=1)
    assert [bool(patterns) for patterns in asked] == [True, False, False]


@pytest.mark.model
@pytest.mark.parametrize("name", ["smollm2-135m-q4_1", "qwen2.5-coder-0.5b-q4_k_m", "qwen2.5-coder-1.5b-q4_k_m"])
def test_a_real_model_writes_the_same_with_its_weights_repacked_by_name(written, monkeypatch, name):
    paths = Store(models_folder(os.environ)).find(load_registry(None).model(name))
    if not paths:
        pytest.skip(f"{name} is not here: confspec pull {name}")
    by_itself, named = (written(paths[0], how, 64, context=512)[0] for how in ("by llama.cpp", "by name"))
    plain, engine = written(paths[0], "plain", 64, context=512)
    assert named == by_itself
    assert are_near(plain, named, engine)
    monkeypatch.setattr(devices, "has_amx", lambda: True)
    assert estimated(paths[0], 512, "f16") == pytest.approx(allocated(paths[0], 512, "f16"), rel=0.05)
