"""A model's own chat template, rendered so that nothing a person or another model wrote can pass for template.

Contents are rendered as placeholders and tokenized apart, as plain text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from confspec_cli.core.messages import Message
from confspec_cli.core.thinking_styles import name_of_style, style_of
from confspec_cli.engines.prompts.template_sandbox import FAILURES, SandboxedTemplate
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
        self.style, self.thinking = style_of(template), name_of_style(template)
        self._special = {"bos_token": bos, "eos_token": eos}
        try:
            self._template = SandboxedTemplate(template)
        except FAILURES as problem:
            raise EngineError(f"The chat template of {name} is broken: {_words(problem)}.") from problem
        self._rendered = lru_cache(maxsize=64)(self._render)

    @property
    def thinks(self) -> bool:
        """Whether the model can think before it answers, in marks we know."""
        return self.style is not None

    def conversation(self, messages: Sequence[Message], think: bool) -> list[Piece]:
        """The conversation up to the open assistant turn, inside or outside a thought."""
        parts = self._rendered(tuple(message.role for message in messages), think)
        pieces = [
            Piece(part) if isinstance(part, str) else Piece(messages[part].content, messages[part].role)
            for part in parts
        ]
        return self._opened([piece for piece in pieces if piece.text], think)

    def question(self, text: str) -> list[Piece]:
        """What closes an open assistant turn, asks `text` and opens the turn of the answer."""
        turns = [Message("user", "-"), Message("assistant", "-"), Message("user", text)]
        pieces = self.conversation(turns, think=False)
        contents = [i for i, piece in enumerate(pieces) if piece.role]
        return pieces[contents[1] + 1 :]

    def _render(self, roles: tuple[str, ...], think: bool) -> tuple[str | int, ...]:
        """The text around the messages, and between it their numbers. What they say makes no difference to it."""
        holes = [f"\ue000{index}\ue001" for index in range(len(roles))]
        turns = [{"role": role, "content": hole} for role, hole in zip(roles, holes, strict=True)]
        ways = [turns]
        if roles[0] == "system" and len(roles) > 1:
            # Templates without a system role (Gemma) refuse one, or drop it; its text then leads the first user turn.
            ways.append([{"role": roles[1], "content": f"{holes[0]}\n\n{holes[1]}"}, *turns[2:]])
        fault = ""
        for messages in ways:
            try:
                parts = _HOLE.split(self._fill(messages, think))
            except FAILURES as problem:
                fault = fault or f"cannot render this conversation: {_words(problem)}"
                continue
            if sorted(map(int, parts[1::2])) == list(range(len(roles))):
                return tuple(int(part) if index % 2 else part for index, part in enumerate(parts))
            fault = fault or "drops or repeats a message"
        raise EngineError(f"The chat template of {self._name} {fault}.", "use a model file with another template")

    def _fill(self, messages: list[dict[str, str]], think: bool) -> str:
        # What nobody gave is none, as in transformers: of an empty list of tools some templates talk at length.
        absent = {"tools": None, "documents": None, "add_generation_prompt": True}
        switches = {"enable_thinking": think, "thinking": think}
        return self._template.render(messages=messages, **self._special, **absent, **switches)

    def _opened(self, pieces: list[Piece], think: bool) -> list[Piece]:
        """Make the end of the prompt stand inside (`think`) or outside a thought, whatever the template does."""
        style = self.style
        if style is None:
            return pieces
        last = "" if not pieces or pieces[-1].role else pieces[-1].text
        is_open = last.rfind(style.opens) > last.rfind(style.closes)
        if think:
            return pieces if is_open else [*pieces, Piece(style.begin)]
        if is_open:
            return [*pieces, Piece(style.end)]
        return [*pieces, Piece(style.skip)] if style.skip and not last.endswith((style.skip, style.end)) else pieces


def _words(problem: BaseException) -> str:
    """What went wrong in a template, as the end of a sentence."""
    return " ".join(str(problem).split())[:200].rstrip(".") or type(problem).__name__
