"""`confspec models quantize`: the real quantizer on tiny models; whole or not at all, and its provenance kept."""

import hashlib
import json
import os
import sys
from importlib.metadata import version

import pytest
from support.tiny_gguf import write

from confspec_cli.app import main
from confspec_cli.engines.llamacpp import quantize as child
from confspec_cli.errors import Exit, Interrupted
from confspec_cli.models import gguf
from confspec_cli.models.quants import BLOCKS, FILE_TYPES, block_of, is_pure
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.render.progress import Lines
from confspec_cli.runtime.quantization import plan

OWN = """\
# mine
schema: 2
models:
  small-f32: {licence: MIT, quant: F32, files: [{name: small-f32.gguf, sources: [{path: ../small-f32.gguf}]}]}
pairs:
  mine: {draft: small-f32, target: qwen2.5-coder-0.5b-q4_k_m}
"""


@pytest.fixture
def home(tmp_path, monkeypatch):
    """A user with a small model of their own, the draft of a pair."""
    for folder in ("config", "models"):
        (tmp_path / folder).mkdir()
    (tmp_path / "config" / "models.yaml").write_text(OWN)
    write(tmp_path / "small-f32.gguf")
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    return tmp_path


def own_yaml(home):
    return home / "config" / "models.yaml"


def kept_by(home):
    """What the folder of models holds, but for the list of hashes."""
    return sorted(path.name for path in (home / "models").iterdir() if path.name != ".checked.json")


def test_a_model_is_quantized_registered_and_its_pair_can_use_it(home, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    assert main(["models", "quantize", "small-f32", "q4_0"]) == Exit.OK
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[-3].startswith("small-q4_0 is ready: ")
    assert lines[-2] == "Have mine use it as its draft: confspec models pair set mine draft=small-q4_0"
    assert lines[-1] == "Thresholds tuned with small-f32 do not apply to it: confspec calibrate mine FILE"
    assert own_yaml(home).read_text().startswith("# mine\n")

    model = load(own_yaml(home)).model("small-q4_0")
    path = home / "models" / "small-q4_0.gguf"
    header = gguf.read(path)
    assert Store(home / "models").find(model) == [path]
    assert {BLOCKS[tensor.kind][0] for tensor in header.tensors if len(tensor.shape) > 1} == {"Q4_0"}
    assert (model.licence, model.quant) == ("MIT", "Q4_0")
    assert model.files[0].sha256 == hashlib.sha256(path.read_bytes()).hexdigest()

    assert main(lines[-2].split("confspec ", 1)[1].split()) == Exit.OK
    assert load(own_yaml(home)).pair("mine").draft == "small-q4_0"
    assert main(["ask", "--no-log", "-q", "--mode", "draft", "-p", "mine", "-n", "4", "Hi"]) in (
        Exit.OK,
        Exit.NO_ANSWER,
    )


def test_show_prints_what_it_was_made_from(home, capsys):
    main(["models", "quantize", "small-f32", "Q8_0", "--name", "other"])
    capsys.readouterr()
    parent = hashlib.sha256((home / "small-f32.gguf").read_bytes()).hexdigest()
    assert main(["models", "show", "other", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["quantized_from"] == {
        "model": "small-f32",
        "parent_sha256": parent,
        "type": "Q8_0",
        "llama_cpp_python": version("llama-cpp-python"),
    }
    assert main(["models", "show", "other"]) == Exit.OK
    assert f"small-f32 (sha256 {parent}), quantized to Q8_0 by the llama.cpp of" in capsys.readouterr().out
    assert main(["models", "show", "small-f32", "--json"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["quantized_from"] is None


def test_it_can_be_deleted_and_made_again_as_pull_says(home, capsys):
    main(["models", "quantize", "small-f32", "Q4_0"])
    assert main(["models", "rm", "-y", "small-q4_0"]) == Exit.OK
    assert kept_by(home) == []
    assert main(["pull", "small-q4_0"]) == Exit.DOWNLOAD
    command = capsys.readouterr().err.splitlines()[-1].strip()
    assert command == "confspec models quantize small-f32 Q4_0 --name small-q4_0"
    assert main(command.split()[1:]) == Exit.OK
    assert kept_by(home) == ["small-q4_0.gguf"]


def test_a_file_of_ones_own_is_quantized_by_its_path_and_named_so_in_the_hint(home, capsys, monkeypatch):
    write(home / "a model-f16.gguf")
    monkeypatch.chdir(home)
    assert main(["models", "quantize", "./a model-f16.gguf", "q5_0"]) == Exit.OK
    assert "confspec ask --mode target --target a-model-q5_0" in capsys.readouterr().err
    source = load(own_yaml(home)).model("a-model-q5_0").files[0].sources[0]
    assert source.quantized == str(home / "a model-f16.gguf")


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (["small-f32", "q4_k_x"], Exit.USAGE, 'Unknown type "q4_k_x"; did you mean "Q4_K_S"?'),
        (["small-f33", "Q4_0"], Exit.MODEL_MISSING, 'Unknown model "small-f33"; did you mean "small-f32"?'),
        (["qwen3-4b-q4_k_m", "Q4_0"], Exit.MODEL_MISSING, "confspec pull qwen3-4b-q4_k_m"),
        (["small-f32", "Q4_0", "--name", "mine"], Exit.USAGE, 'There is a pair "mine" already.'),
        (["small-f32", "Q4_0", "--name", "small-f32"], Exit.USAGE, 'There is a model "small-f32" already.'),
        (["small-f32", "Q4_0", "--name", "../up"], Exit.USAGE, '"../up" cannot be the name of a model.'),
        (["small-f32", "Q4_0", "--name", "theirs"], Exit.USAGE, "theirs.gguf is there already"),
    ],
)
def test_a_mistake_is_told_before_anything_is_made(home, capsys, arguments, code, says):
    (home / "models" / "theirs.gguf").write_bytes(b"not ours")
    assert main(["models", "quantize", *arguments]) == code
    assert says in capsys.readouterr().err
    assert kept_by(home) == ["theirs.gguf"]
    assert own_yaml(home).read_text() == OWN


def test_a_model_of_that_type_already_is_refused(home, capsys):
    main(["models", "quantize", "small-f32", "Q4_0"])
    assert main(["models", "quantize", "small-q4_0", "q4_0", "--name", "again"]) == Exit.USAGE
    assert "small-q4_0 is Q4_0 already.\n  confspec models show small-q4_0" in capsys.readouterr().err
    assert main(["models", "quantize", "small-f32", "q4_0"]) == Exit.USAGE
    assert 'There is a model "small-q4_0" already.' in capsys.readouterr().err


def test_a_split_model_is_refused(home, capsys):
    path = write(home / "split-00001-of-00002.gguf", split=11)
    assert main(["models", "quantize", str(path), "Q4_0"]) == Exit.USAGE
    assert "is split into several files; only a model in one file can be quantized." in capsys.readouterr().err


def test_a_full_disk_is_told_before_the_first_byte(home, capsys, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda _: type("Usage", (), {"free": 1 << 20}))
    assert main(["models", "quantize", "small-f32", "Q4_0"]) == Exit.STORAGE
    assert "nothing was written" in capsys.readouterr().err
    assert kept_by(home) == []


@pytest.mark.parametrize(
    ("code", "says"),
    [
        ("import os; os.abort()", "llama.cpp crashed while quantizing small-f32.gguf (SIGABRT)"),
        (
            "import sys; print('main: failed to quantize: no room', file=sys.stderr); sys.exit(1)",
            "could not quantize small-f32.gguf: no room; nothing was kept.",
        ),
        ("raise SystemExit(1)", "could not quantize small-f32.gguf: it gave no reason; nothing was kept."),
    ],
)
def test_a_quantizer_that_fails_or_crashes_is_a_sentence_and_leaves_nothing(home, capsys, monkeypatch, code, says):
    begin = "import sys; open(sys.argv[2], 'w').write('half'); "
    monkeypatch.setattr(child, "python_module", lambda _, *rest: [sys.executable, "-c", begin + code, *rest])
    assert main(["models", "quantize", "small-f32", "Q4_0"]) == Exit.FAILURE
    assert says in capsys.readouterr().err
    assert kept_by(home) == []
    assert own_yaml(home).read_text() == OWN


def test_a_stop_ends_the_quantizer_and_leaves_nothing(home, capsys, monkeypatch, tmp_path):
    code = (
        "import os, sys, time; open(sys.argv[2], 'w').write('half'); open(sys.argv[5], 'w').write(str(os.getpid())); "
        "print('[   1/  21] output.weight - [', file=sys.stderr, flush=True); time.sleep(60)"
    )
    pid = tmp_path / "pid"
    monkeypatch.setattr(child, "python_module", lambda _, *rest: [sys.executable, "-c", code, *rest, str(pid)])

    def stop(self, done):
        if pid.exists():
            raise Interrupted("Stopped.")

    monkeypatch.setattr(Lines, "advanced", stop)
    assert main(["models", "quantize", "small-f32", "Q4_0"]) == Exit.INTERRUPTED
    assert "confspec models quantize small-f32 Q4_0 --name small-q4_0   # nothing was kept" in capsys.readouterr().err
    assert kept_by(home) == []
    with pytest.raises(ProcessLookupError):
        os.kill(int(pid.read_text()), 0)


def test_progress_counts_the_bytes_of_the_tensors_that_are_done(home, monkeypatch):
    told = []
    monkeypatch.setattr(Lines, "advanced", lambda _, done: told.append(done))
    main(["models", "quantize", "small-f32", "Q4_0"])
    weights = sum(tensor.bytes for tensor in gguf.read(home / "small-f32.gguf").tensors)
    assert weights in told
    assert len(set(told)) > len(gguf.read(home / "small-f32.gguf").tensors)


def test_no_result_is_larger_than_the_room_that_was_asked_for(home):
    for file_type in FILE_TYPES:
        made = plan("small-f32", file_type, "", load(own_yaml(home)), Store(home / "models"))
        assert main(["models", "quantize", "small-f32", file_type]) == Exit.OK
        size = (home / "models" / f"{made.name}.gguf").stat().st_size
        assert size <= made.most_bytes
        assert gguf.read(home / "models" / f"{made.name}.gguf").values["general.file_type"] == FILE_TYPES[file_type]


def test_the_short_blocks_are_used_throughout_and_the_others_mixed():
    assert [name for name in FILE_TYPES if is_pure(name)] == ["Q4_0", "Q4_1", "Q8_0", "Q5_0", "Q5_1", "IQ4_NL"]
    assert block_of("Q4_K_M")[0] == "Q4_K"
    assert block_of("Q6_K")[0] == "Q6_K"
