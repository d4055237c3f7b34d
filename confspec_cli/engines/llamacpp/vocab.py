"""One model's vocabulary: text to tokens, tokens to bytes, and which tokens end a turn."""

from __future__ import annotations

import ctypes
from functools import lru_cache

from confspec_cli.engines.llamacpp.native import lib
from confspec_cli.engines.llamacpp.open_model import metadata
from confspec_cli.engines.vocabulary import is_mark, without_marks
from confspec_cli.errors import EngineError

_CONTROL, _USER_DEFINED = 1 << 3, 1 << 4  # llama_token_attr
_SLICE = 1 << 20  # characters tokenized in one call, which cannot be interrupted: seconds a call, not minutes


class Vocab:
    """Tokenizer of a loaded model. Token ids are ints in 0..size-1; text is UTF-8."""

    def __init__(self, model: object) -> None:
        self._vocab = lib.llama_model_get_vocab(model)
        self.pointer: object = self._vocab
        self.size: int = lib.llama_vocab_n_tokens(self._vocab)
        if self.size <= 0:
            raise EngineError("The model file holds no vocabulary.")
        self._compared: dict[Vocab, bool] = {}
        self._bos, self._eos = (self._special(model, which) for which in ("bos", "eos"))
        ends = {token for token in range(self.size) if lib.llama_vocab_is_eog(self._vocab, token)}
        self.ends = frozenset(ends if self._eos >= 0 else ends - {lib.llama_vocab_eos(self._vocab)})
        self.piece = lru_cache(maxsize=None)(self._piece)
        # SentencePiece vocabularies put a blank before every text; a step must not gain one at its seam.
        self._anchor = self._tokenize(b"\n", False) if self._detokenize(self._tokenize(b"a", False)) == b" a" else []

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Tokens of `text`, nothing added. With `special`, "<|im_end|>" is a control token; without, plain text.

        In plain text no mark such as "<think>" becomes its token either: what spells one is cut after its first letter.
        """
        if special:
            return self._tokenize(text.encode(), True)
        tokens = self.tokenize_reply(text)
        parts = without_marks(text, {self.spelling(token) for token in set(tokens) if self._is_mark(token)})
        return tokens if len(parts) < 2 else [token for part in parts for token in self.tokenize(part, special=False)]

    def tokenize_reply(self, text: str) -> list[int]:
        """Tokens of what a model wrote, which may hold tokens that are not control tokens but stand for a mark."""
        if not text:
            return []
        if len(text) > _SLICE:
            starts = range(0, len(text), _SLICE)
            return [token for start in starts for token in self.tokenize_reply(text[start : start + _SLICE])]
        if self._anchor:
            return self._tokenize(b"\n" + text.encode(), False)[len(self._anchor) :]
        return self._tokenize(text.encode(), False)

    def is_special(self, token: int) -> bool:
        """Whether the token is no plain text: a control token, or one defined by a user."""
        return bool(lib.llama_vocab_get_attr(self._vocab, token) & (_CONTROL | _USER_DEFINED))

    def _is_mark(self, token: int) -> bool:
        """Whether a user-defined token is a mark, not the white space or the word it is in other vocabularies."""
        if not lib.llama_vocab_get_attr(self._vocab, token) & _USER_DEFINED:
            return False
        return is_mark(self.spelling(token))

    def spelling(self, token: int) -> str:
        """How the file spells the token: of a special one, what stands for it in a template."""
        text: bytes = lib.llama_vocab_get_text(self._vocab, token)
        return text.decode("utf-8", "replace")

    def begin(self) -> list[int]:
        """The token that opens every text, where the model wants one."""
        return [self._bos] if lib.llama_vocab_get_add_bos(self._vocab) and self._bos >= 0 else []

    def special_text(self, which: str) -> str:
        """Text of the `bos` or `eos` token, for chat templates; empty where the model has none."""
        token = self._bos if which == "bos" else self._eos
        return self.spelling(token) if token >= 0 else ""

    def begins_like(self, other: Vocab) -> bool:
        """Whether the ids both vocabularies have stand for the same: it may be the same one, padded."""
        if other not in self._compared:
            shared = range(min(self.size, other.size))
            text = lib.llama_vocab_get_text
            self._compared[other] = all(text(self._vocab, one) == text(other.pointer, one) for one in shared)
        return self._compared[other]

    def _special(self, model: object, which: str) -> int:
        """The `bos` or `eos` token, -1 where there is none.

        Where a file names none, llama.cpp answers token 11, which is a comma in Qwen's vocabulary: only a control token
        can be right then.
        """
        token: int = getattr(lib, f"llama_vocab_{which}")(self._vocab)
        named = metadata(model, f"tokenizer.ggml.{which}_token_id") == str(token)
        is_one = 0 <= token < self.size and (named or lib.llama_vocab_is_control(self._vocab, token))
        return token if is_one else -1

    def _tokenize(self, text: bytes, special: bool) -> list[int]:
        room = len(text) + 8
        buffer = (ctypes.c_int32 * room)()
        count = lib.llama_tokenize(self._vocab, text, len(text), buffer, room, False, special)
        if count < 0:
            raise EngineError("The model's tokenizer failed on this text.")
        return list(buffer[:count])

    def _detokenize(self, tokens: list[int]) -> bytes:
        return b"".join(self._piece(token) for token in tokens)

    def _piece(self, token: int) -> bytes:
        """The bytes a token stands for; control tokens are empty, and half a character is half a character."""
        room = 64
        while True:
            buffer = ctypes.create_string_buffer(room)
            length = lib.llama_token_to_piece(self._vocab, token, buffer, room, 0, False)
            if length >= 0:
                return buffer.raw[:length]
            room = -length
