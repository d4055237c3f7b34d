"""Hundreds of damaged or hostile files: a sentence each, no crash, no hang, no traceback."""

import ctypes
import os
import subprocess
import sys
from pathlib import Path

import pytest
from support import damaged_files as damaged
from support.tiny_gguf import damage, tokenizer, write

from confspec_cli.app import main
from confspec_cli.engines.llamacpp.native import lib
from confspec_cli.errors import EngineError, Exit
from confspec_cli.models import gguf
from confspec_cli.models.quants import BLOCKS
from confspec_cli.runtime.memory_estimate import estimate_memory

COUNT = 200
CLI_COUNT = 32
"""So many of them are put to the commands too, which takes longer."""

READ_ALL = """
import os, sys
from pathlib import Path
from confspec_cli.app import main
own = Path(os.environ["CONFSPEC_CONFIG_DIR"]) / "models.yaml"
for file in map(Path, sys.argv[1:]):
    source = f"{{files: [{{name: {file.name}, sources: [{{path: {file}}}]}}]}}"
    own.write_text(f"models: {{one: {source}}}\\npairs: {{ours: {{draft: one, target: one}}}}")
    commands = (
        ["models", "show", str(file)],
        ["fit", "ours"],
        ["ask", "--no-log", "-q", "--mode", "target", "-n", "4", "Hi", "--target", str(file)],
    )
    codes = [main(command) for command in commands]
    print(file.name, *codes, flush=True)
"""


@pytest.fixture(scope="module")
def files(tiny, tmp_path_factory):
    """The damaged copies of a tiny model, and a sound one after them."""
    folder, whole = tmp_path_factory.mktemp("damaged"), tiny("llama")
    length = gguf.read(whole).data
    for name, content in damaged.damaged(whole.read_bytes(), COUNT, length):
        (folder / f"{name}.gguf").write_bytes(content)
    (folder / "sound.gguf").write_bytes(whole.read_bytes())
    return sorted(folder.iterdir())


def test_what_is_damaged_is_refused_in_words_or_harmless(files):
    refused = set()
    for file in files:
        try:
            gguf.check(gguf.read(file))
        except EngineError as error:
            assert str(error).startswith(str(file))
            refused.add(file.name)
    assert len(refused) > COUNT / 2  # a byte turned over in a name or a number may do no harm
    assert "sound.gguf" not in refused


def test_no_damaged_file_crashes_hangs_or_shows_a_traceback(files, tmp_path):
    some = [*files[:CLI_COUNT], files[-1]]
    done = subprocess.run(
        [sys.executable, "-c", READ_ALL, *map(str, some)],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
        env=os.environ | {"CONFSPEC_CONFIG_DIR": str(tmp_path), "CONFSPEC_MODELS": str(tmp_path)},
    )
    lines = [line.split() for line in done.stdout.splitlines() if ".gguf " in line]
    ended = {name: codes for name, *codes in lines if name.endswith(".gguf")}
    assert done.returncode == 0, (list(ended)[-1:], done.stderr[-500:])
    assert list(ended) == [file.name for file in some]
    assert "Traceback" not in done.stderr
    assert ended["sound.gguf"] in (["0", "0", "0"], ["0", "0", "8"])  # all three do read the file
    answered = {"0", "6", "8"}
    for name, (shown, fitted, asked) in ended.items():
        assert {shown, fitted} <= {"0", "1", "4"}, name
        assert asked in answered | {"1", "4"}, name
        assert shown != "1" or asked == "1", name  # what is refused once is refused by all
    assert len([name for name, codes in ended.items() if codes[2] in answered]) > 1  # and the rest are really loaded


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda data: b"", "not a GGUF file"),
        (lambda data: b"GGUF", "ends in the middle of its header"),
        (lambda data: b"GGML" + data[4:], "not a GGUF file"),
        (lambda data: data[:4] + b"\x09" + data[5:], "version 9"),
        (lambda data: data[:4] + b"\0\0\0\x03" + data[8:], "big-endian"),
        (lambda data: data[:8] + b"\xff" * 8 + data[16:], "more than fit in it"),
        (lambda data: data[:-100], "lies beyond its end"),
    ],
)
def test_what_is_wrong_is_said(tiny, tmp_path, change, says):
    file = tmp_path / "damaged.gguf"
    file.write_bytes(change(tiny("llama").read_bytes()))
    with pytest.raises(EngineError, match=says):
        gguf.check(gguf.read(file))


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("llama.block_count", 4096),
        ("llama.block_count", 0),
        ("llama.attention.layer_norm_rms_epsilon", float("nan")),
        ("llama.attention.layer_norm_rms_epsilon", -1.0),
        ("llama.rope.freq_base", float("nan")),
    ],
)
def test_numbers_that_abort_llama_cpp_are_refused_with_their_names(tmp_path, key, value):
    with pytest.raises(EngineError, match=key.removeprefix("llama.")):
        gguf.check(gguf.read(write(tmp_path / "odd.gguf", metadata={key: value})))


ODD = (0, 1, 3, 7, 2**16, 2**31 - 1, 2**31, 2**32 - 1)
KEYS: tuple[str, ...] = (
    "block_count",
    "context_length",
    "embedding_length",
    "feed_forward_length",
    "attention.head_count",
)
KEYS += ("attention.head_count_kv", "attention.key_length", "attention.value_length", "rope.dimension_count")


@pytest.mark.parametrize("key", KEYS)
def test_odd_numbers_are_refused_in_words_or_read_and_planned_for(tmp_path, key):
    for value in ODD:
        path = write(tmp_path / f"{value}.gguf", metadata={f"llama.{key}": value})
        try:
            header = gguf.read(path)
            gguf.check(header)
        except EngineError as error:
            assert key in str(error)
        else:
            assert estimate_memory(header, 512).total > 0


def test_a_token_with_a_nul_in_it_is_refused(tmp_path):
    words = tokenizer().tokens
    path = write(tmp_path / "odd.gguf", metadata={"tokenizer.ggml.tokens": ["a\0b", *words[1:]]})
    with pytest.raises(EngineError, match="NUL"):
        gguf.read(path)


@pytest.mark.parametrize("how", ["pipe", "folder"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, how):
    file = tmp_path / "model.gguf"
    os.mkfifo(file) if how == "pipe" else file.mkdir()
    with pytest.raises(EngineError, match="not a GGUF file"):
        gguf.read(file)


def test_a_tensor_of_a_newer_type_is_not_called_damage(tiny):
    with pytest.raises(EngineError, match="of type 9999, which this version does not know") as caught:
        gguf.read(damage(tiny("llama"), "type"))
    assert "damaged" not in str(caught.value)


def test_types_of_weights_are_as_large_as_llama_cpp_has_them():
    for kind, (name, size, elements) in BLOCKS.items():
        ggml = lib._lib
        ggml.ggml_type_name.restype, ggml.ggml_type_size.restype = ctypes.c_char_p, ctypes.c_size_t
        assert ggml.ggml_type_name(kind).decode().upper() == name.upper()
        assert (ggml.ggml_type_size(kind), ggml.ggml_blck_size(kind)) == (size, elements)


def test_a_model_in_parts_is_read_as_one_and_a_damaged_part_is_found(tiny, tmp_path):
    whole = gguf.read(tiny("llama"))
    first = write(tmp_path / "many.gguf", split=8)
    header = gguf.read(first)
    gguf.check(header)
    assert first.name == "many-00001-of-00003.gguf"
    assert {tensor.name for tensor in header.tensors} == {tensor.name for tensor in whole.tensors}
    assert header.size == sum(path.stat().st_size for path in gguf.parts(first))
    _, second, third = gguf.parts(first)
    with pytest.raises(EngineError, match="not the first of 3 parts"):
        gguf.read(second)
    with pytest.raises(EngineError, match="not the first of 3 parts"):
        gguf.read(first.rename(tmp_path / "one.gguf"))
    (tmp_path / "one.gguf").rename(first)
    second.write_bytes(second.read_bytes()[:-64])
    with pytest.raises(EngineError, match=r"00002-of-00003\.gguf is not whole"):
        gguf.read(first)
    third.unlink()
    second.write_bytes(third.name.encode())
    with pytest.raises(EngineError, match="is not a GGUF file"):
        gguf.read(first)


def test_the_plan_for_a_model_in_parts_is_that_of_the_whole(tiny, tmp_path, monkeypatch):
    monkeypatch.setattr(sys, "stdin", None)
    first = write(tmp_path / "many.gguf", split=8)
    assert estimate_memory(gguf.read(first), 512) == estimate_memory(gguf.read(tiny("llama")), 512)
    ask = ["ask", "--no-log", "-q", "--mode", "target", "-n", "4", "Hi", "--target", str(first)]
    assert main(ask) in (Exit.OK, Exit.NO_ANSWER)


def test_a_sound_file_says_what_it_is(tiny):
    header = gguf.read(tiny("llama"))
    gguf.check(header)
    assert header.architecture == "llama"
    last = max(header.tensors, key=lambda tensor: tensor.offset)
    assert 0 <= Path(header.path).stat().st_size - (header.data + last.offset + last.bytes) < 32
    assert header.lengths["tokenizer.ggml.tokens"] == header.lengths["tokenizer.ggml.token_type"]
