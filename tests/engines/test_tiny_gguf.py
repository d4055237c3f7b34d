import ctypes
from collections.abc import Iterator
from pathlib import Path

import gguf
import numpy as np
import pytest
from jinja2.sandbox import ImmutableSandboxedEnvironment
from support import tiny_gguf
from support.tiny_gguf import CAN_ROLL_BACK, DAMAGES, KINDS

# Not llama_cpp itself: its own log callback raises on a vocabulary printed up to the middle of a character.
from confspec_cli.engines.llamacpp.native import lib

PROMPT = "<|im_start|>user\nWhat is 2+2?<|im_end|>\n<|im_start|>assistant\n"


class Native:
    """The least that can load a file and decode with it."""

    def __init__(self, path: Path) -> None:
        self.model = load(path)
        assert self.model, path
        parameters = lib.llama_context_default_params()
        parameters.n_ctx = 512
        parameters.n_batch = parameters.n_ubatch = 256
        parameters.n_threads = parameters.n_threads_batch = 1
        parameters.swa_full = True
        parameters.flash_attn_type = lib.LLAMA_FLASH_ATTN_TYPE_DISABLED
        self.context = lib.llama_init_from_model(self.model, parameters)
        assert self.context, path
        self.vocab = lib.llama_model_get_vocab(self.model)
        self.size = lib.llama_vocab_n_tokens(self.vocab)
        self.memory = lib.llama_get_memory(self.context)
        self.batch = lib.llama_batch_init(256, 0, 1)

    def close(self) -> None:
        lib.llama_batch_free(self.batch)
        lib.llama_free(self.context)
        lib.llama_model_free(self.model)

    def tokenize(self, text: str, special: bool = True) -> list[int]:
        data = text.encode()
        room = len(data) + 8
        tokens = (ctypes.c_int32 * room)()
        count = lib.llama_tokenize(self.vocab, data, len(data), tokens, room, False, special)
        assert count >= 0
        return list(tokens[:count])

    def text(self, tokens: list[int]) -> bytes:
        buffer = ctypes.create_string_buffer(256)
        pieces = []
        for token in tokens:
            assert 0 <= token < self.size
            length = lib.llama_token_to_piece(self.vocab, token, buffer, 256, 0, False)
            pieces.append(buffer.raw[:length])
        return b"".join(pieces)

    def decode(self, tokens: list[int], start: int) -> np.ndarray:
        """Feed tokens at positions from `start`; the logits after the last."""
        assert 0 < len(tokens) <= 256
        self.batch.n_tokens = len(tokens)
        for i, token in enumerate(tokens):
            self.batch.token[i] = token
            self.batch.pos[i] = start + i
            self.batch.n_seq_id[i] = 1
            self.batch.seq_id[i][0] = 0
            self.batch.logits[i] = i == len(tokens) - 1
        assert lib.llama_decode(self.context, self.batch) == 0
        return np.ctypeslib.as_array(lib.llama_get_logits_ith(self.context, -1), shape=(self.size,)).copy()

    def greedy(self, prompt: str, limit: int = 200) -> list[int]:
        lib.llama_memory_clear(self.memory, True)
        tokens = self.tokenize(prompt)
        logits = self.decode(tokens, 0)
        written: list[int] = []
        while len(written) < limit:
            assert np.isfinite(logits).all()
            written.append(int(logits.argmax()))
            if lib.llama_vocab_is_eog(self.vocab, written[-1]):
                break
            logits = self.decode(written[-1:], len(tokens) + len(written) - 1)
        return written


def load(path: Path) -> object:
    parameters = lib.llama_model_default_params()
    parameters.n_gpu_layers = 0
    parameters.use_extra_bufts = False
    return lib.llama_model_load_from_file(str(path).encode(), parameters)


@pytest.fixture(params=KINDS, name="kind")
def _kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(params=["main", "other"], name="vocab")
def _vocab(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(name="native")
def _native(tmp_path: Path, kind: str, vocab: str) -> Iterator[Native]:
    native = Native(tiny_gguf.write(tmp_path / "model.gguf", kind, vocab=vocab))
    yield native
    native.close()


def test_every_kind_is_small_and_writes_varied_text(native: Native, tmp_path: Path):
    assert (tmp_path / "model.gguf").stat().st_size < 2_000_000
    written = [native.greedy(PROMPT), native.greedy(PROMPT.replace("2+2", "3+3"))]
    longest = max(written, key=len)
    assert len(longest) > 40
    assert len(set(longest)) > 20
    assert written[0] != written[1]
    native.text(written[0]).decode()  # favoured tokens are whole characters


@pytest.mark.parametrize("vocab", ["main"], indirect=True)
def test_only_plain_attention_takes_back_part_of_what_it_read(native: Native, kind: str):
    tokens = native.tokenize(PROMPT)
    native.decode(tokens, 0)
    before = native.decode([70], len(tokens))
    native.decode(native.tokenize("Is this step right? Yes or no:" * 3), len(tokens) + 1)
    assert lib.llama_memory_seq_rm(native.memory, 0, len(tokens), -1) is (kind in CAN_ROLL_BACK)
    if kind in CAN_ROLL_BACK:
        assert np.array_equal(native.decode([70], len(tokens)), before)


@pytest.mark.parametrize("kind", ["llama"], indirect=True)
def test_text_survives_tokenizing(native: Native, vocab: str):
    words = tiny_gguf.tokenizer(vocab)
    text = "So the sum is 12.\n\nStep 2: yes\n\n    x = é—→😀 日本\r\n\t\x01 <|im_end|> " + " " * 50 + "<think>\n"
    tokens = native.tokenize(text, special=False)
    assert native.text(tokens) == text.encode()
    assert len(tokens) < len(text.encode())
    assert (words.find(".\n\n") in tokens) if vocab == "main" else (words.find("\n\n") not in tokens[:20])


@pytest.mark.parametrize("kind", ["llama"], indirect=True)
def test_special_tokens_are_what_they_say(native: Native, vocab: str):
    words = tiny_gguf.tokenizer(vocab)
    ends = {token for token in range(native.size) if lib.llama_vocab_is_eog(native.vocab, token)}
    assert ends == {words.find("<|im_end|>"), words.find("<|end|>")}
    assert lib.llama_vocab_eos(native.vocab) == lib.llama_vocab_eot(native.vocab) == words.find("<|im_end|>")
    assert native.tokenize("<|im_start|><think>") == [words.find("<|im_start|>"), words.find("<think>")]
    assert native.text([words.find("<think>"), words.find("<|im_end|>")]) == b"<think>"
    assert [native.tokenize(label) for label in ("Yes", "No")] == [[words.find("Yes")], [words.find("No")]]


def test_the_default_model_sometimes_breaks_paragraphs_and_sometimes_ends(tmp_path: Path):
    native = Native(tiny_gguf.write(tmp_path / "model.gguf"))
    questions = ("What is 2+2?", "Hello", "Name a prime.", "Why is the sky blue?")
    written = [native.greedy(PROMPT.replace("What is 2+2?", question)) for question in questions]
    ended = [lib.llama_vocab_is_eog(native.vocab, tokens[-1]) for tokens in written]
    texts = [native.text(tokens) for tokens in written]
    native.close()
    assert len(set(ended)) == 2
    assert any(b"\n\n" in text for text in texts)


def test_bias_and_template_and_bos_are_written(tmp_path: Path):
    path = tiny_gguf.write(tmp_path / "model.gguf", bias={"<|im_end|>": 30}, template=None, add_bos=True)
    native = Native(path)
    words = tiny_gguf.tokenizer()
    assert native.greedy(PROMPT) == [words.find("<|im_end|>")]
    assert lib.llama_model_chat_template(native.model, None) is None
    assert lib.llama_vocab_get_add_bos(native.vocab)
    assert lib.llama_vocab_bos(native.vocab) == words.find("<|begin|>")
    native.close()


def test_a_drifted_model_mostly_agrees(tmp_path: Path):
    base = Native(tiny_gguf.write(tmp_path / "base.gguf", bias={"<|im_end|>": -40}))
    drifted = Native(tiny_gguf.write(tmp_path / "drifted.gguf", bias={"<|im_end|>": -40}, drift=0.02))
    prompt = base.tokenize(PROMPT)
    written = base.greedy(PROMPT, limit=100)
    agreed = int(drifted.decode(prompt, 0).argmax() == written[0])
    for i, token in enumerate(written[:-1]):
        agreed += int(drifted.decode([token], len(prompt) + i).argmax() == written[i + 1])
    base.close()
    drifted.close()
    assert 70 <= agreed < 100


@pytest.mark.parametrize("how", [*DAMAGES, "truncated to a header", "truncated by a byte"])
def test_a_damaged_file_is_refused(tmp_path: Path, how: str):
    path = tiny_gguf.write(tmp_path / "model.gguf")
    at = {"truncated to a header": 24, "truncated by a byte": path.stat().st_size - 1}.get(how)
    broken = tiny_gguf.damage(path, how.split(maxsplit=1)[0], at=at)
    assert broken.read_bytes() != path.read_bytes()
    assert not load(broken)


def test_damage_that_is_not_refused_is_where_it_should_be(tmp_path: Path):
    path = tiny_gguf.write(tmp_path / "model.gguf")
    native = Native(tiny_gguf.damage(path, "nan"))
    assert np.isnan(native.decode([1, 2, 3], 0)).all()
    native.close()
    headless = gguf.GGUFReader(tiny_gguf.damage(path, "no-blocks"))  # loading it would abort
    assert headless.fields["llama.block_count"].contents() == 0


def test_the_same_arguments_give_the_same_file(tmp_path: Path, kind: str):
    first = tiny_gguf.write(tmp_path / "1.gguf", kind).read_bytes()
    assert tiny_gguf.write(tmp_path / "2.gguf", kind).read_bytes() == first
    assert tiny_gguf.write(tmp_path / "3.gguf", kind, seed=1).read_bytes() != first


@pytest.mark.parametrize(
    ("template", "think", "end"),
    [
        (tiny_gguf.CHATML_TEMPLATE, True, "<|im_start|>assistant\n"),
        (tiny_gguf.THINKING_TEMPLATE, True, "<|im_start|>assistant\n"),
        (tiny_gguf.THINKING_TEMPLATE, False, "<|im_start|>assistant\n<think>\n\n</think>\n\n"),
        (tiny_gguf.OPEN_THINK_TEMPLATE, False, "<|im_start|>assistant\n<think>\n"),
    ],
)
def test_templates_render_a_conversation(template: str, think: bool, end: str):
    formatter = ImmutableSandboxedEnvironment(trim_blocks=True, lstrip_blocks=True).from_string(template)
    messages = [
        {"role": "system", "content": "S"},
        {"role": "user", "content": "Q"},
        {"role": "assistant", "content": "<think>\nT\n</think>\n\nA"},
        {"role": "user", "content": "Q2"},
    ]
    prompt = formatter.render(messages=messages, add_generation_prompt=True, enable_thinking=think)
    earlier = "<think>\nT\n</think>\n\nA" if template == tiny_gguf.CHATML_TEMPLATE else "A"
    turns = (("system", "S"), ("user", "Q"), ("assistant", earlier), ("user", "Q2"))
    assert prompt == "".join(f"<|im_start|>{role}\n{text}<|im_end|>\n" for role, text in turns) + end
