"""The marks that show who wrote and who checked a step. Colour is never the only sign."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TextIO

from confspec_cli.core.trace import Author, Cause, Origin, Step
from confspec_cli.render.console import can_carry


@dataclass(frozen=True, slots=True)
class Label:
    """A mark and its word, with their style."""

    text: str
    style: str

    def numbered(self, n: int | None) -> Label:
        """The label behind the number of its step, or behind the room for one."""
        return replace(self, text=f"{'' if n is None else n:>2} {self.text}")


@dataclass(frozen=True, slots=True)
class Marks:
    """A set of marks. `dot` separates items on a line, `arrow` two figures; `width` is the gutter's, in cells.

    `block` is a full cell of a bar, and `block_end` the last one of a part.
    """

    draft: str
    escalated: str
    target: str  # it took over from the draft
    undrafted: str  # the draft was never asked for the step
    inserted: str
    rejected: str
    writing: str
    checking: str
    ellipsis: str
    dot: str
    arrow: str
    block: str
    block_end: str
    width: int

    def origin(self, step: Step) -> Label:
        """The label of a committed step: who wrote it, and who checked it."""
        is_drafted = bool((step.rejected_text or "").strip()) or step.cause is Cause.UNSURE
        target = self.target if is_drafted else self.undrafted
        inserted_by = "you" if step.cause is Cause.ANSWER_NOW else "inserted"
        return {
            Origin.DRAFT: Label(f"{self.draft} draft", "green"),
            Origin.ESCALATED: Label(f"{self.escalated} escalated", "yellow"),
            Origin.TARGET: Label(f"{target} target", "magenta"),
            Origin.SALVAGED: Label(f"{self.escalated}{self.target} salvaged", "yellow"),
            Origin.INJECTED: Label(f"{self.inserted} {inserted_by}", "cyan"),
        }[step.origin]

    def being_written(self, author: Author, provisional: bool) -> Label:
        """The label of a step being written."""
        style = "green" if author is Author.DRAFT else "magenta"
        return Label(f"{self.writing} {author.value}", "dim" if provisional else style)

    def being_checked(self, by: Author) -> Label:
        """The label of a draft step being checked by a model."""
        if by is Author.DRAFT:
            return Label(f"{self.checking} checking", "dim")
        return Label(f"{self.escalated} checking", "yellow")

    @property
    def dropped(self) -> Label:
        """The label of a rejected draft."""
        return Label(f"{self.rejected} draft", "dim")

    @property
    def cut_off(self) -> Label:
        """The label of an unfinished step."""
        return Label(f"{self.writing} cut off", "dim")


UNICODE = Marks("✓", "▲", "↻", "·", "→", "✗", "…", "?", "…", " · ", " → ", "█", "▉", width=16)
ASCII = Marks("[D]", "[E]", "[T]", "[-]", "[>]", "[x]", "[.]", "[?]", "...", "; ", " -> ", "#", "#", width=19)


def marks_for(stream: TextIO) -> Marks:
    """The marks that the stream's encoding has."""
    return UNICODE if can_carry(stream, "✓▲↻→✗…·█▉") else ASCII
