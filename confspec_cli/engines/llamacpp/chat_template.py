"""A model's own chat template, rendered so that nothing a person or another model wrote can pass for template.

Contents are rendered as placeholders and tokenized apart, as plain text. Rendering is llama-cpp-python's.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import jinja2
from llama_cpp.llama_chat_format import Jinja2ChatFormatter

from confspec_cli.core.messages import Message
from confspec_cli.errors import EngineError

_HOLE = re.compile("\ue000(\\d+)\ue001")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of rendered prompt: the content of a message by `role`, or template text, which has none."""

    text: str
    role: str = ""


class ChatTemplate:
    """The chat template of one model. Raises EngineError when it has none or a broken one."""

    def __init__(self, name: str, template: str, bos: str, eos: str) -> None:
        self._name = name
        if not template:
            raise EngineError(
                f"{name} has no chat template: it is a base model, and can continue text but not answer.",
                "confspec models   # lists models that can answer",
            )
        self.thinks = "<think>" in template or "enable_thinking" in template
        try:
            self._format = Jinja2ChatFormatter(template=template, eos_token=eos, bos_token=bos)
        except jinja2.TemplateError as problem:
            raise EngineError(f"The chat template of {name} is broken: {problem}.") from problem

    def conversation(self, messages: Sequence[Message], think: bool) -> list[Piece]:
        """The conversation up to the open assistant turn, inside or outside a `<think>` block."""
        return _opened(self._render(messages, think), think)

    def question(self, text: str) -> list[Piece]:
        """What closes an open assistant turn, asks `text` and opens the turn of the answer."""
        turns = [Message("user", "-"), Message("assistant", "-"), Message("user", text)]
        pieces = self._render(turns, think=False)
        contents = [i for i, piece in enumerate(pieces) if piece.role]
        return _opened(pieces[contents[1] + 1 :], think=False)

    def _render(self, messages: Sequence[Message], think: bool) -> list[Piece]:
        holes = [{"role": message.role, "content": f"\ue000{index}\ue001"} for index, message in enumerate(messages)]
        try:
            text = self._fill(holes, think)
        except (jinja2.TemplateError, ValueError, TypeError) as problem:
            if holes[0]["role"] != "system" or len(holes) < 2:
                raise EngineError(f"The chat template of {self._name} cannot render this: {problem}.") from problem
            # Templates without a system role (Gemma) refuse one; its text then leads the first user turn.
            first = {"role": holes[1]["role"], "content": f"{holes[0]['content']}\n\n{holes[1]['content']}"}
            text = self._fill([first, *holes[2:]], think)
        parts = _HOLE.split(text)
        if [int(index) for index in parts[1::2]] != list(range(len(messages))):
            raise EngineError(f"The chat template of {self._name} drops or repeats a message.")
        pieces = [
            Piece(messages[int(part)].content, messages[int(part)].role) if index % 2 else Piece(part)
            for index, part in enumerate(parts)
        ]
        return [piece for piece in pieces if piece.text]

    def _fill(self, messages: list[dict[str, str]], think: bool) -> str:
        return str(self._format(messages=messages, tools=[], enable_thinking=think).prompt)


def _opened(pieces: list[Piece], think: bool) -> list[Piece]:
    """Make the end of the prompt stand inside (`think`) or outside a thinking block, whatever the template does."""
    last = "" if not pieces or pieces[-1].role else pieces[-1].text
    is_open = last.rfind("<think>") > last.rfind("</think>")
    if think and not is_open:
        return [*pieces, Piece("<think>\n")]
    if is_open and not think:
        return [*pieces, Piece("\n</think>\n\n")]
    return pieces
