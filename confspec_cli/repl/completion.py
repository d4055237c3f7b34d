"""Tab completion at the prompt: commands, their arguments, and paths. Messages are not completed."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from prompt_toolkit.completion import CompleteEvent, Completer, Completion, PathCompleter
from prompt_toolkit.document import Document

PATH = "path"
Words = Callable[[str], Sequence[str]]


class CommandCompleter(Completer):
    """`commands` maps each name to its help and the kinds of its arguments; `words` lists the words of a kind."""

    def __init__(self, commands: Mapping[str, tuple[str, tuple[str, ...]]], words: Words) -> None:
        self._commands = commands
        self._words = words
        self._paths = PathCompleter(expanduser=True)

    def get_completions(self, document: Document, complete_event: CompleteEvent) -> Iterable[Completion]:
        """Completions of the word before the cursor."""
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
