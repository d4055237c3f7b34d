"""A vocabulary that only the server has: every text is tokenized there, and remembered here."""

from __future__ import annotations

from collections.abc import Callable
from weakref import WeakValueDictionary

from confspec_cli.engines.vocabulary import is_mark, without_marks

Pieces = list[tuple[int, bytes]]
_MOST = 4096  # texts that are remembered


class _Known(dict[tuple[str, bool], Pieces]):
    """The tokens of texts."""


_remembered: WeakValueDictionary[tuple[str, str], _Known] = WeakValueDictionary()


class ServerVocabulary:
    """Asks `ask(text, special)` for the tokens of a text and their bytes; `opening` is the token before every text.

    Vocabularies of the same `server` that are in use at the same time remember together.
    """

    def __init__(self, ask: Callable[[str, bool], Pieces], opening: list[int], server: tuple[str, str]) -> None:
        self._known = _remembered.setdefault(server, _Known())
        self._asked_of_server = ask
        self._opening = opening
        self._texts: dict[int, bytes] = {}  # how the server spells each token
        self._written: dict[int, bytes] = {}  # what a token says in a text; control tokens say nothing
        # SentencePiece vocabularies put a blank before every text; a step must not gain one at its seam.
        has_blank = b"".join(piece for _, piece in self._ask("a", False)) == b" a"
        self._anchor = [token for token, _ in self._ask("\n", False)] if has_blank else []

    def tokenize(self, text: str, special: bool) -> list[int]:
        """Tokens of `text`; see Vocabulary."""
        if special:
            return self._tokens(text, special=True)
        tokens = self.tokenize_reply(text)
        marks = {self._text(token) for token in set(tokens) if is_mark(self._text(token))}
        parts = without_marks(text, marks)
        return tokens if len(parts) < 2 else [token for part in parts for token in self.tokenize(part, special=False)]

    def tokenize_reply(self, text: str) -> list[int]:
        """Tokens of what a model wrote; see Vocabulary."""
        if self._anchor and text:
            return self._tokens("\n" + text, special=False)[len(self._anchor) :]
        return self._tokens(text, special=False)

    def is_special(self, token: int) -> bool:
        """Whether the token is no plain text, as far as its spelling tells."""
        return not self._texts.get(token) or is_mark(self._text(token))

    def piece(self, token: int) -> bytes:
        """The bytes a token stands for; see Vocabulary."""
        return self._written.get(token, b"")

    def begin(self) -> list[int]:
        """The token that opens every text, where the model wants one."""
        return self._opening

    def learn(self, token: int, piece: bytes) -> None:
        """Remember the bytes of a token that the model wrote."""
        self._written[token] = piece

    def _ask(self, text: str, special: bool) -> Pieces:
        found = self._known.get((text, special))
        if found is None:
            found = self._asked_of_server(text, special)
            if len(self._known) >= _MOST:
                self._known.clear()
            self._known[text, special] = found
        return found

    def _text(self, token: int) -> str:
        return self._texts.get(token, b"").decode("utf-8", "replace")

    def _tokens(self, text: str, special: bool) -> list[int]:
        if not text:
            return []
        pieces = self._ask(text, special)
        for token, piece in pieces:
            self._texts[token] = piece
            if not special:
                self._written.setdefault(token, piece)
        return [token for token, _ in pieces]
