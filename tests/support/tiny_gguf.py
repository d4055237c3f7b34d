"""Tiny GGUF models with random weights, written in milliseconds: real files for llama.cpp, with nothing to download.

`write` makes one, `damage` makes broken copies of it. The same arguments give the same file.

The text they write is nonsense, but it behaves: channel 0 of the residual stream is a constant that no layer touches,
so the first column of the output matrix is a bias per token. Letters, words and blank lines are favoured over stray
bytes, and the end of the turn comes now and then. Greedy decoding depends on the whole context through the layers.
"""

from __future__ import annotations

import shutil
import zlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

KINDS = ("llama", "qwen2", "gemma3", "mamba", "jamba", "lfm2")
CAN_ROLL_BACK = ("llama", "qwen2", "gemma3")  # partial llama_memory_seq_rm; gemma3 honestly only with swa_full
SLIDING_WINDOW = 16
CONTEXT = 2048

_TURNS = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\n' }}"
    "{%- if message.role == 'assistant' -%}{{ message.content.split('</think>')[-1].lstrip('\n') }}"
    "{%- else -%}{{ message.content }}{%- endif -%}"
    "{{ '<|im_end|>\n' }}"
    "{%- endfor -%}"
)
CHATML_TEMPLATE = (
    "{%- for message in messages -%}"
    "{{ '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }}"
    "{%- endfor -%}"
    "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}{%- endif -%}"
)
# Like Qwen3's: thinks when it pleases, an empty thought when told not to; earlier thoughts are left out.
THINKING_TEMPLATE = (
    _TURNS + "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n' }}"
    "{%- if enable_thinking is defined and not enable_thinking -%}{{ '<think>\n\n</think>\n\n' }}{%- endif -%}"
    "{%- endif -%}"
)
# Like the R1 distillations': the prompt itself opens the thought.
OPEN_THINK_TEMPLATE = _TURNS + "{%- if add_generation_prompt -%}{{ '<|im_start|>assistant\n<think>\n' }}{%- endif -%}"

_EMBEDDING = 64
_LAYERS = 2
_HEADS = 2
_KV_HEADS = 1
_HEAD = 32  # a whole q8_0 block, so that the cache can be quantized
_FEED_FORWARD = 128
_CONVOLUTION = 4
_STATE = 8
_STEP_RANK = 4
_STEADY = 4.0  # the constant in channel 0
_SPREAD = 0.3  # of the output rows; the logits then spread by about 2.4
_NEVER = -40.0

_CONTROL = ("<|begin|>", "<|im_start|>", "<|im_end|>", "<|end|>")
_MARKS = ("<think>", "</think>")
# Order matters: earlier merges are made first, as in any BPE.
# fmt: off
_WORDS = {
    "main": (
        "\n\n", ".\n\n", ":\n\n", ".\n", "  ", " " * 4, " " * 8, " " * 16, " " * 32, " " * 40,
        "th", " the", " th", "in", "ing", "er", "on", "an", " and", " a", " is", " of", " to", " we", " so", " it",
        " x", " =", " +", "So", "Step", "Let", " that", " number", " sum", " then", " two", " answer", " because",
        "ed", "ly", "Yes", "No", " Yes", " No", " yes", " no", "yes", "no", "1.", "- ", "```", "é", " ü", "—", "→",
        ". ", ", ", ".", ",",
    ),
    "other": (
        "\n\n", "\n\n\n", "   ", " " * 12,
        "he", "re", " he", " there", " these", "at", "or", "en", "es", " be", " for", " not", " which", "tion", "ment",
        "Thus", "First", " hence", " value", " equals", " three", " result", " y", " z", " -", " *", "st", " st", "ou",
        "Yes", "No", " yes", " no", "ye", "2)", "* ", "è", "ß", "–",
        "? ", "! ", ".", ",",
    ),
}
# fmt: on


def _byte_letters() -> list[str]:
    """GPT-2's letter for each byte."""
    shown = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    hidden = iter(range(256, 512))
    return [chr(byte) if byte in shown else chr(next(hidden)) for byte in range(256)]


_LETTERS = _byte_letters()


@dataclass(frozen=True)
class Tokenizer:
    """A byte-level BPE vocabulary: tokens in GPT-2's letters, by id."""

    tokens: list[str]
    types: list[int]
    merges: list[str]
    pre: str

    def find(self, text: str) -> int:
        """The id of the token that is exactly this text."""
        return self.tokens.index(text if text in (*_CONTROL, *_MARKS) else _spelled(text))

    def bytes_of(self, token: int) -> bytes:
        """What the token stands for; the name of a control token or mark stands for itself."""
        text = self.tokens[token]
        return text.encode() if text in (*_CONTROL, *_MARKS) else bytes(_LETTERS.index(letter) for letter in text)


def tokenizer(vocab: str = "main") -> Tokenizer:
    """The vocabulary `main` or `other`. They share no id but by chance, and cut text differently.

    `main` cuts as Qwen does (".\\n\\n" is one token), `other` as GPT-2 does (it never is).
    """
    merges, merged = _merges(_WORDS[vocab])
    plain = [*_LETTERS, *merged]
    special = [*_CONTROL, *_MARKS]
    types = dict.fromkeys(_CONTROL, gguf.TokenType.CONTROL) | dict.fromkeys(_MARKS, gguf.TokenType.USER_DEFINED)
    tokens = [*plain, *special] if vocab == "main" else [*special, *reversed(plain)]
    return Tokenizer(
        tokens=tokens,
        types=[int(types.get(text, gguf.TokenType.NORMAL)) for text in tokens],
        merges=[" ".join(pair) for pair in merges],
        pre="qwen2" if vocab == "main" else "gpt-2",
    )


def write(
    path: Path,
    kind: str = "llama",
    *,
    seed: int = 0,
    template: str | None = CHATML_TEMPLATE,
    vocab: str = "main",
    bias: Mapping[str, float] | None = None,
    drift: float = 0.0,
    add_bos: bool = False,
    context: int = CONTEXT,
    split: int = 0,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """Write a model of one of KINDS to `path` and return it; its first file where it is `split` after so many tensors.

    `bias` is added, roughly, to the logits of tokens named by their text: {"<|im_end|>": -40} never ends. A verdict's
    labels get little mass by themselves: {"Yes": 5, "No": 5} gives them most of it. llama's seed 0 nearly always
    prefers No to Yes, seed 2 is in two minds.
    `drift` moves every weight by that share of its own spread, the same way each time: of two models alike but for a
    drift of 0.02, each agrees with about 9 of 10 tokens the other writes (llama; 0.05: 8 of 10; 0.1: 6 of 10).
    `template=None` leaves the chat template out; `add_bos` asks for `<|begin|>` before every text.
    `metadata` replaces values of the header, or leaves them out where it says None.
    A template that names `<think>` makes `</think>` likelier than the end of the turn; without one it is never written.
    """
    words = tokenizer(vocab)
    biases = _biases(words, vocab, thinks="<think>" in (template or ""))
    for text, amount in (bias or {}).items():
        biases[words.find(text)] += amount
    writer = gguf.GGUFWriter(path, kind, split_max_tensors=split)
    _write_settings(writer, kind, context)
    _write_tokenizer(writer, words, template, add_bos)
    _replace(writer.kv_data[0], metadata or {})
    weights = _Weights(seed, drift)
    _embed(weights, kind, biases)
    for layer in range(_LAYERS):
        _BLOCKS[kind](weights, layer)
    for name, values in weights.tensors.items():
        writer.add_tensor(name, values)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path if path.exists() else min(path.parent.glob(f"{path.stem}-00001-of-*.gguf"))


DAMAGES = ("empty", "text", "truncated", "magic", "version", "offset", "dims", "type", "missing", "arch")


def damage(path: Path, how: str, *, at: int | None = None) -> Path:
    """Write a broken copy next to `path` and return where it is.

    One of DAMAGES: llama.cpp refuses the file (no model, no abort). `at` is the length in bytes that `truncated` leaves
    (default: half). Two more are not refused: "nan" loads and computes nothing but NaN; "no-blocks" (block_count 0)
    ABORTS THE PROCESS in this version of llama.cpp, so load it in a child process only.
    """
    broken = path.with_name(f"{path.stem}-{how}{path.suffix}")
    if how == "empty":
        broken.write_bytes(b"")
    elif how == "text":
        broken.write_text("<html><body>Please log in to download this model.</body></html>\n" * 20, encoding="utf-8")
    elif how == "truncated":
        broken.write_bytes(path.read_bytes()[: path.stat().st_size // 2 if at is None else at])
    elif how == "magic":
        broken.write_bytes(b"GGML" + path.read_bytes()[4:])
    elif how == "version":
        broken.write_bytes(b"GGUF\xff\x00\x00\x00" + path.read_bytes()[8:])
    else:
        shutil.copyfile(path, broken)
        reader = gguf.GGUFReader(broken, "r+")
        _corrupt(reader, how)
        reader.data.flush()
    return broken


def _corrupt(reader: gguf.GGUFReader, how: str) -> None:
    """Overwrite one field in the mapped file: the tables keep their lengths, the values are nonsense."""
    tensor = reader.tensors[-1]
    _, name, _, dims, type_, offset = tensor.field.parts
    architecture = reader.fields["general.architecture"].parts[-1]
    if how == "offset":
        offset[:] = 1 << 40
    elif how == "dims":
        dims[:] = (1 << 33) + 1
    elif how == "type":
        type_[:] = 9999
    elif how == "missing":
        name[0] = ord("?")
    elif how == "nan":
        for each in reader.tensors:
            each.data[:] = np.nan
    elif how == "no-blocks":
        reader.fields[f"{bytes(architecture).decode()}.block_count"].parts[-1][:] = 0
    elif how == "arch":
        architecture[:] = ord("?")
    else:
        raise ValueError(how)


# --- the tokenizer -------------------------------------------------------------------------------------------------


def _spelled(text: str) -> str:
    return "".join(_LETTERS[byte] for byte in text.encode())


def _merges(words: Iterable[str]) -> tuple[list[tuple[str, str]], list[str]]:
    """Merges, in order of rank, that make each word one token; and the tokens they make."""
    merges: list[tuple[str, str]] = []
    for word in words:
        parts = list(_spelled(word))
        for pair in merges:
            parts = _joined(parts, pair)
        while len(parts) > 1:
            merges.append((parts[0], parts[1]))
            parts = _joined(parts, merges[-1])
    return merges, list(dict.fromkeys("".join(pair) for pair in merges))


def _joined(parts: list[str], pair: tuple[str, str]) -> list[str]:
    joined: list[str] = []
    for part in parts:
        if joined and (joined[-1], part) == pair:
            joined[-1] += part
        else:
            joined.append(part)
    return joined


def _biases(words: Tokenizer, vocab: str, thinks: bool) -> np.ndarray:
    """What is likely before the context has its say."""
    likely = {text: 0.5 for text in _WORDS[vocab] if text.strip()} | {"\n": -1.0, " ": -1.0, "\n\n": 1.0}
    likely |= {mark + "\n\n": 1.0 for mark in ".:"} | {"<|im_end|>": -0.7} | ({"</think>": 0.7} if thinks else {})
    biases = np.full(len(words.tokens), _NEVER, np.float32)
    for token in range(len(words.tokens)):
        text = words.bytes_of(token).decode(errors="replace")
        if text in likely:
            biases[token] = likely[text]
        elif len(text) == 1 and text.isascii() and text.isprintable():
            biases[token] = -0.5 if text.isalpha() else -1.5
        elif text.isascii() and text.strip().isalpha():
            biases[token] = -2.0  # the first half of a word
    return biases


def _write_tokenizer(writer: gguf.GGUFWriter, words: Tokenizer, template: str | None, add_bos: bool) -> None:
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(words.pre)
    writer.add_token_list(words.tokens)
    writer.add_token_types(words.types)
    writer.add_token_merges(words.merges)
    writer.add_bos_token_id(words.find("<|begin|>"))  # absent, llama.cpp takes token 11 for it
    writer.add_eos_token_id(words.find("<|im_end|>"))
    writer.add_eot_token_id(words.find("<|im_end|>"))
    writer.add_add_bos_token(add_bos)
    if template is not None:
        writer.add_chat_template(template)


def _replace(values: dict[str, gguf.GGUFValue], metadata: Mapping[str, Any]) -> None:
    kinds = {int: gguf.GGUFValueType.UINT32, float: gguf.GGUFValueType.FLOAT32, list: gguf.GGUFValueType.ARRAY}
    for key, value in metadata.items():
        values.pop(key, None)
        if value is not None:
            values[key] = gguf.GGUFValue(value, kinds.get(type(value), gguf.GGUFValueType.STRING))


# --- the weights ---------------------------------------------------------------------------------------------------


@dataclass
class _Weights:
    """Tensors by name; each has a random stream of its own, so that leaving one out changes no other."""

    seed: int
    drift: float
    tensors: dict[str, np.ndarray] = field(default_factory=dict)

    def add(self, name: str, *shape: int, spread: float, mean: float = 0.0) -> np.ndarray:
        """Normally distributed values of this shape (rows first, as numpy counts)."""
        values = self._normal(name, 0, shape)
        if self.drift:
            values = values + self.drift * self._normal(name, 1, shape)
        self.tensors[name] = (mean + spread * values).astype(np.float32)
        return self.tensors[name]

    def linear(self, name: str, rows: int, columns: int, gain: float = 1.0) -> None:
        """A matrix that turns inputs of spread 1 into outputs of spread `gain`, blind to the constant channel."""
        values = self.add(f"{name}.weight", rows, columns, spread=gain / columns**0.5)
        if columns == _EMBEDDING:
            values[:, 0] = 0

    def residual(self, name: str, columns: int, gain: float) -> None:
        """The same, writing to the residual stream but not to its constant channel."""
        self.linear(name, _EMBEDDING, columns, gain)
        self.tensors[f"{name}.weight"][0] = 0

    def ones(self, name: str, size: int, value: float = 1.0) -> None:
        self.tensors[f"{name}.weight"] = np.full(size, value, np.float32)

    def _normal(self, name: str, stream: int, shape: tuple[int, ...]) -> np.ndarray:
        return np.random.default_rng([self.seed, stream, zlib.crc32(name.encode())]).standard_normal(shape)


def _embed(weights: _Weights, kind: str, biases: np.ndarray) -> None:
    size = len(biases)
    embedding = weights.add("token_embd.weight", size, _EMBEDDING, spread=1.0)
    embedding[:, 0] = _STEADY
    if kind == "gemma3":
        embedding /= _EMBEDDING**0.5  # Gemma multiplies it back
    output = weights.add("output.weight", size, _EMBEDDING, spread=_SPREAD)
    output[:, 0] = biases * 2 / _STEADY  # the last norm halves the constant, give or take
    weights.ones("token_embd_norm" if kind == "lfm2" else "output_norm", _EMBEDDING)


def _attention(weights: _Weights, block: str, *, bias: bool = False, norm: bool = False) -> None:
    """Grouped-query attention, sharp enough for single tokens far back to matter."""
    weights.ones(f"{block}.attn_norm", _EMBEDDING)
    for name, heads in (("q", _HEADS), ("k", _KV_HEADS), ("v", _KV_HEADS)):
        weights.linear(f"{block}.attn_{name}", heads * _HEAD, _EMBEDDING, gain=1.5)
        if bias:
            weights.add(f"{block}.attn_{name}.bias", heads * _HEAD, spread=0.3)
        if norm and name != "v":
            weights.ones(f"{block}.attn_{name}_norm", _HEAD, 1.5)
    weights.residual(f"{block}.attn_output", _HEADS * _HEAD, gain=1.5)


def _feed_forward(weights: _Weights, block: str) -> None:
    weights.ones(f"{block}.ffn_norm", _EMBEDDING)
    weights.linear(f"{block}.ffn_gate", _FEED_FORWARD, _EMBEDDING, gain=1.5)
    weights.linear(f"{block}.ffn_up", _FEED_FORWARD, _EMBEDDING, gain=1.5)
    weights.residual(f"{block}.ffn_down", _FEED_FORWARD, gain=1.0)


def _state_space(weights: _Weights, block: str, *, norms: bool = False) -> None:
    """A Mamba layer: convolution, selective state, gate. The state forgets over some tens of tokens."""
    inner = 2 * _EMBEDDING
    weights.ones(f"{block}.attn_norm", _EMBEDDING)
    weights.linear(f"{block}.ssm_in", 2 * inner, _EMBEDDING, gain=1.2)
    weights.add(f"{block}.ssm_conv1d.weight", inner, _CONVOLUTION, spread=0.7)
    weights.add(f"{block}.ssm_conv1d.bias", inner, spread=0.1)
    weights.linear(f"{block}.ssm_x", _STEP_RANK + 2 * _STATE, inner, gain=1.5)
    weights.linear(f"{block}.ssm_dt", inner, _STEP_RANK, gain=1.0)
    weights.add(f"{block}.ssm_dt.bias", inner, spread=0.5, mean=-2.0)
    weights.tensors[f"{block}.ssm_a"] = np.tile(-np.linspace(0.2, 4, _STATE, dtype=np.float32), (inner, 1))
    weights.tensors[f"{block}.ssm_d"] = np.ones(inner, np.float32)
    weights.residual(f"{block}.ssm_out", inner, gain=0.7)
    if norms:
        weights.ones(f"{block}.ssm_dt_norm", _STEP_RANK)
        weights.ones(f"{block}.ssm_b_norm", _STATE)
        weights.ones(f"{block}.ssm_c_norm", _STATE)


def _short_convolution(weights: _Weights, block: str) -> None:
    """The other half of an LFM2 model: a gated convolution over a few tokens."""
    weights.ones(f"{block}.attn_norm", _EMBEDDING)
    weights.linear(f"{block}.shortconv.in_proj", 3 * _EMBEDDING, _EMBEDDING, gain=1.2)
    weights.add(f"{block}.shortconv.conv.weight", _EMBEDDING, _CONVOLUTION, spread=0.7)
    weights.residual(f"{block}.shortconv.out_proj", _EMBEDDING, gain=1.0)


def _transformer_block(weights: _Weights, layer: int, *, bias: bool = False) -> None:
    _attention(weights, f"blk.{layer}", bias=bias)
    _feed_forward(weights, f"blk.{layer}")


def _gemma_block(weights: _Weights, layer: int) -> None:
    _attention(weights, f"blk.{layer}", norm=True)
    _feed_forward(weights, f"blk.{layer}")
    weights.ones(f"blk.{layer}.post_attention_norm", _EMBEDDING)
    weights.ones(f"blk.{layer}.post_ffw_norm", _EMBEDDING)


def _hybrid_block(weights: _Weights, layer: int, *, kind: str) -> None:
    block = f"blk.{layer}"
    if _kv_heads(kind)[layer]:
        _attention(weights, block, norm=kind == "lfm2")
    elif kind == "lfm2":
        _short_convolution(weights, block)
    else:
        _state_space(weights, block, norms=True)
    _feed_forward(weights, block)


_BLOCKS: dict[str, Callable[[_Weights, int], None]] = {
    "llama": _transformer_block,
    "qwen2": lambda weights, layer: _transformer_block(weights, layer, bias=True),
    "gemma3": _gemma_block,
    "mamba": lambda weights, layer: _state_space(weights, f"blk.{layer}"),
    "jamba": lambda weights, layer: _hybrid_block(weights, layer, kind="jamba"),
    "lfm2": lambda weights, layer: _hybrid_block(weights, layer, kind="lfm2"),
}


def _kv_heads(kind: str) -> list[int]:
    """Per layer; none means that the layer is recurrent."""
    return [0, _KV_HEADS] if kind in ("jamba", "lfm2") else [_KV_HEADS] * _LAYERS


def _write_settings(writer: gguf.GGUFWriter, kind: str, context: int) -> None:
    writer.add_name(f"tiny {kind}")
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    writer.add_block_count(_LAYERS)
    writer.add_context_length(context)
    writer.add_embedding_length(_EMBEDDING)
    writer.add_layer_norm_rms_eps(1e-6)
    _write_attention_settings(writer, kind)
    if kind in ("mamba", "jamba"):
        writer.add_ssm_conv_kernel(_CONVOLUTION)
        writer.add_ssm_inner_size(2 * _EMBEDDING)
        writer.add_ssm_state_size(_STATE)
        writer.add_ssm_time_step_rank(_STEP_RANK)
    if kind == "lfm2":
        writer.add_shortconv_l_cache(_CONVOLUTION)
    if kind == "gemma3":
        writer.add_sliding_window(SLIDING_WINDOW)
        writer.add_sliding_window_pattern(2)  # every second layer sees everything


def _write_attention_settings(writer: gguf.GGUFWriter, kind: str) -> None:
    if kind == "mamba":
        writer.add_feed_forward_length(0)
        writer.add_head_count(0)
        return
    heads: Any = _kv_heads(kind) if 0 in _kv_heads(kind) else _KV_HEADS
    writer.add_feed_forward_length(_FEED_FORWARD)
    writer.add_head_count(_HEADS)
    writer.add_head_count_kv(heads)
    writer.add_key_length(_HEAD)
    writer.add_value_length(_HEAD)
    writer.add_rope_dimension_count(_HEAD)
    writer.add_rope_freq_base(10000.0)
