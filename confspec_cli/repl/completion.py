"""Completion at the prompt: commands, what they take, and paths. A message completes to nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

PATH = "path"
Words = Callable[[str], Sequence[str]]


class CommandCompleter(Completer):
    """`commands` maps each name to its help and to the kinds of its arguments; `words` lists what a kind can be."""

    def __init__(self, commands: Mapping[str, tuple[str, tuple[str, ...]]], words: Words) -> None:
        self._commands = commands
        self._words = words
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """What the word before the cursor can become."""
        text = document.text_before_cursor
        if not text.startswith("/") or "\n" in text:
            return
        name, *rest = text.split(" ")
        if not rest:
            for command, (help_, _) in self._commands.items():
                if command.startswith(name):
                    yield Completion(command, -len(name), display_meta=help_)
            return
        kinds = self._commands.get(name, ("", ()))[1]
        place = len([word for word in rest[:-1] if word])
        if place < len(kinds):
            yield from self._argument(kinds[place], rest[-1], complete_event)

    def _argument(self, kind: str, begun: str, event: CompleteEvent) -> Iterable[Completion]:
        if kind == PATH:
            yield from self._paths.get_completions(Document(begun), event)
            return
        for word in self._words(kind):
            if word.startswith(begun):
                yield Completion(word, -len(begun))
