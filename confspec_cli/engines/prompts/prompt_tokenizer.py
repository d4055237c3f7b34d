"""From prompts to tokens: what is cached is matched against what was said, and only the rest is tokenized.

What a model wrote itself is never tokenized again. Knows tokens and text; refuses to know the cache that holds them.
"""

from __future__ import annotations

from collections.abc import Sequence

from confspec_cli.core.messages import Prompt
from confspec_cli.engines.prompts.chat_template import ChatTemplate, Piece
from confspec_cli.engines.prompts.thinking_marks import MarkReader, ThinkingMarks
from confspec_cli.engines.vocabulary import Vocabulary
from confspec_cli.errors import EngineError

_MOST = 1024  # segments whose tokens are remembered

Part = list[int] | tuple[str, ...]
"""Of a prompt: tokens that are what they are, or segments a model said, which may be cached as other tokens."""


class PromptTokenizer:
    """The prompts of one model as tokens."""

    def __init__(self, vocab: Vocabulary, chat: ChatTemplate) -> None:
        self._vocab = vocab
        self._chat = chat
        self.marks = ThinkingMarks(vocab, chat.style)
        self._head: tuple[object, list[Part]] = (None, [])
        self._read: dict[bytes, list[int]] = {}  # the tokens in which a segment was found last

    def reader(self) -> MarkReader:
        """What turns tokens into text."""
        return MarkReader(self.marks)

    def compare(self, parts: list[Part], have: list[int], position: int) -> tuple[int, list[int]]:
        """Where the tokens from `position` on stop being the parts, and the tokens that are still to be read."""
        for index, part in enumerate(parts):
            if isinstance(part, tuple):
                whole = 0
                for segment in part:
                    end = self._spelled(segment.encode(), have, position)
                    if end is None:
                        break
                    position, whole = end, whole + 1
                unread = self.spell(part[whole:])
            else:
                same = common(part, have[position : position + len(part)])
                position, unread = position + same, part[same:]
            if unread:
                return position, unread + [token for rest in parts[index + 1 :] for token in self.spell(rest)]
        return position, []

    def _spelled(self, text: bytes, have: list[int], position: int) -> int | None:
        """The end of the tokens from `position` on that spell exactly `text`, or None if they spell something else."""
        known = self._read.get(text)
        if known is not None and have[position : position + len(known)] == known:
            return position + len(known)
        begin, read, reader = position, 0, self.reader()
        while read < len(text):
            if position == len(have):
                return None
            piece = reader.feed(have[position])
            if not text.startswith(piece, read):
                return None
            position, read = position + 1, read + len(piece)
        if len(self._read) >= _MOST:
            self._read.clear()
        self._read[text] = have[begin:position]
        return position

    def spell(self, part: Part) -> list[int]:
        """Tokens of a part; each segment of what a model said by itself."""
        if isinstance(part, tuple):
            return [token for segment in part for token in self.marks.tokenize(segment)]
        return part

    def conversation(self, prompt: Prompt) -> list[Part]:
        """The parts of a conversation up to its open turn."""
        key = (prompt.messages, prompt.think)
        if self._head[0] != key:
            parts = self._parts(self._chat.conversation(prompt.messages, prompt.think))
            begin = self._vocab.begin()
            if begin and parts[0][:1] != begin:
                parts.insert(0, begin)
            self._head = (key, parts)
        return self._head[1]

    def _parts(self, pieces: list[Piece]) -> list[Part]:
        return [
            (piece.text,) if piece.role == "assistant" else self._vocab.tokenize(piece.text, special=not piece.role)
            for piece in pieces
        ]

    def question(self, text: str, prefill: str = "") -> list[int]:
        """The tokens that close the open turn, ask, and open another, which begins with `prefill`."""
        parts = [*self._parts(self._chat.question(text)), (prefill,)]
        return [token for part in parts for token in self.spell(part)]

    def firsts(self, labels: tuple[str, ...], name: str) -> dict[str, int]:
        """The first token of each label. Raises EngineError, with the model's name, where two begin alike."""
        firsts = {label: self._vocab.tokenize(label, special=False)[0] for label in labels}
        if len(set(firsts.values())) != len(labels):
            raise EngineError(f"{name} cannot tell the labels {', '.join(labels)} apart by their first token.")
        return firsts


def common(one: Sequence[int], other: Sequence[int]) -> int:
    """The length of the common prefix of two token sequences."""
    short = min(len(one), len(other))
    if one[:short] == other[:short]:
        return short
    return next(i for i, (a, b) in enumerate(zip(one, other, strict=False)) if a != b)
