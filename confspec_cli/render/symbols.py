"""The marks that say how a step came to be. Colour is never the only signal."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TextIO

from confspec_cli.core.trace import Author, Origin
from confspec_cli.render.console import can_carry


@dataclass(frozen=True, slots=True)
class Label:
    """A mark with its word, and the style both are drawn in."""

    text: str
    style: str


@dataclass(frozen=True, slots=True)
class Marks:
    """One set of signs. `dot` joins the items of a line; `width` is that of the gutter in cells."""

    draft: str
    escalated: str
    target: str
    given: str
    rejected: str
    writing: str
    verification: str
    ellipsis: str
    dot: str
    width: int

    def origin(self, origin: Origin) -> Label:
        """The label of a committed step."""
        return {
            Origin.DRAFT: Label(f"{self.draft} draft", "green"),
            Origin.ESCALATED: Label(f"{self.escalated} escalated", "yellow"),
            Origin.TARGET: Label(f"{self.target} target", "magenta"),
            Origin.SALVAGED: Label(f"{self.escalated}{self.target} shared", "yellow"),
            Origin.INJECTED: Label(f"{self.given} given", "cyan"),
        }[origin]

    def being_written(self, author: Author, provisional: bool) -> Label:
        """The label of a step that a model is writing."""
        style = "green" if author is Author.DRAFT else "magenta"
        return Label(f"{self.writing} {author.value}", "dim" if provisional else style)

    def being_judged(self, by: Author) -> Label:
        """The label of a drafted step that a model is judging."""
        if by is Author.DRAFT:
            return Label(f"{self.verification} judging", "dim")
        return Label(f"{self.escalated} judging", "yellow")

    @property
    def dropped(self) -> Label:
        """The label of a rejected draft."""
        return Label(f"{self.rejected} draft", "dim")

    @property
    def cut_off(self) -> Label:
        """The label of a step that was never finished."""
        return Label(f"{self.writing} cut off", "dim")


UNICODE = Marks("✓", "▲", "↻", "→", "✗", "…", "?", "…", " · ", width=13)
ASCII = Marks("[D]", "[E]", "[T]", "[>]", "[x]", "[.]", "[?]", "...", "; ", width=15)


def marks_for(stream: TextIO) -> Marks:
    """The marks that the encoding of the stream can carry."""
    return UNICODE if can_carry(stream, "✓▲↻→✗…·") else ASCII
