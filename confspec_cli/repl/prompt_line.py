"""The input prompt, by prompt_toolkit: several lines, history, completion, an external editor, a status line."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from prompt_toolkit import PromptSession
from prompt_toolkit.application import get_app
from prompt_toolkit.completion import Completer
from prompt_toolkit.enums import EditingMode
from prompt_toolkit.filters import Condition, has_focus, is_searching
from prompt_toolkit.formatted_text import FormattedText
from prompt_toolkit.history import History
from prompt_toolkit.input import Input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.output import Output
from prompt_toolkit.styles import Style

from confspec_cli.repl import lines

_STYLE = Style.from_dict({"bottom-toolbar": "noreverse fg:ansibrightblack", "prompt": "bold"})


class Desk(Protocol):
    """Where user input comes from."""

    vi: bool

    def read(self, default: str = "") -> str:
        """What was typed. Raises EOFError on Ctrl-D and KeyboardInterrupt on Ctrl-C."""
        ...

    def choose(self, question: str, choices: Mapping[str, str]) -> str:
        """One of the keys of `choices`; the first when the user just presses Enter or Ctrl-C."""
        ...


@dataclass(frozen=True, slots=True)
class Fittings:
    """The parts of a prompt. `toolbar` gives the status line for a width in cells."""

    history: History
    completer: Completer
    toolbar: Callable[[int], str]


class PromptLine:
    """A prompt in a terminal."""

    def __init__(self, fittings: Fittings, vi: bool, input_: Input | None = None, output: Output | None = None) -> None:
        self._fittings = fittings
        self._session: PromptSession[str] = PromptSession(
            message=FormattedText([("class:prompt", "> ")]),
            prompt_continuation="  ",
            multiline=True,
            history=fittings.history,
            completer=fittings.completer,
            complete_while_typing=Condition(lambda: get_app().current_buffer.text.startswith("/")),
            enable_open_in_editor=False,  # its own binding sends at once what was edited
            enable_suspend=True,
            enable_history_search=False,
            tempfile_suffix=".md",
            bottom_toolbar=self._toolbar,
            reserve_space_for_menu=4,
            key_bindings=_bindings(),
            editing_mode=EditingMode.VI if vi else EditingMode.EMACS,
            style=_STYLE,
            input=input_,
            output=output,
        )
        self._question: PromptSession[str] = PromptSession(input=input_, output=output)

    @property
    def vi(self) -> bool:
        """Whether vi key bindings are on; otherwise they are those of Emacs."""
        return self._session.editing_mode is EditingMode.VI

    @vi.setter
    def vi(self, on: bool) -> None:
        self._session.editing_mode = EditingMode.VI if on else EditingMode.EMACS

    def read(self, default: str = "") -> str:
        """What was typed. Raises EOFError on Ctrl-D and KeyboardInterrupt on Ctrl-C."""
        return self._session.prompt(default=default)

    def choose(self, question: str, choices: Mapping[str, str]) -> str:
        """One of the keys of `choices`; the first when the user just presses Enter or Ctrl-C."""
        first = next(iter(choices))
        options = ", ".join(f"[{key}] {meaning}" for key, meaning in choices.items())
        while True:
            try:
                answer = self._question.prompt(f"{question} {options} ({first}): ").strip().lower()
            except (EOFError, KeyboardInterrupt):
                return first
            if not answer:
                return first
            if answer in choices:
                return answer

    def _toolbar(self) -> str:
        return self._fittings.toolbar(get_app().output.get_size().columns)


def _bindings() -> KeyBindings:
    """Enter sends, unless a block is open; Alt-Enter and Ctrl-J start a new line."""
    keys = KeyBindings()
    typing = has_focus("DEFAULT_BUFFER") & ~is_searching

    @keys.add("enter", filter=typing)
    def _send(event: KeyPressEvent) -> None:
        buffer = event.current_buffer
        if buffer.complete_state and buffer.complete_state.current_completion:
            buffer.complete_state = None
        elif lines.is_open(buffer.text):
            buffer.insert_text("\n")
        else:
            if (text := lines.readable(buffer.text)) != buffer.text:
                buffer.text = text
            buffer.validate_and_handle()

    @keys.add("escape", "enter", filter=typing)
    @keys.add("c-j", filter=typing)
    def _new_line(event: KeyPressEvent) -> None:
        event.current_buffer.insert_text("\n")

    @keys.add("c-x", "c-e", filter=typing)
    def _edit(event: KeyPressEvent) -> None:
        event.current_buffer.open_in_editor(validate_and_handle=False)

    return keys
