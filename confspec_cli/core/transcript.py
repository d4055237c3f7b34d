"""The state of a run: the problem, and the steps committed to the reply so far."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from confspec_cli.core.messages import Prompt
from confspec_cli.core.thinking import Thought, thought
from confspec_cli.core.trace import Step


@dataclass(slots=True)
class Transcript:
    """A prompt and the committed steps of its reply, append-only."""

    prompt: Prompt
    steps: list[Step] = field(default_factory=list)

    @property
    def n(self) -> int:
        """The number of the next step, from 1."""
        return len(self.steps) + 1

    @property
    def segments(self) -> tuple[str, ...]:
        """What each model wrote at a time, in order: the text of each step, both parts of a salvaged one."""
        parts = (part for step in self.steps for part in (step.kept, step.text[len(step.kept) :]))
        return tuple(part for part in parts if part)

    @property
    def text(self) -> str:
        """The reply so far."""
        return "".join(self.segments)

    @property
    def tokens(self) -> int:
        """Tokens committed so far, each step counted by its author's tokenizer."""
        return sum(step.tokens for step in self.steps)

    @property
    def thought(self) -> Thought:
        """Whether the reply so far ends inside a thought; what of it stood before the run counts too."""
        return thought("".join(self.prompt.reply) + self.text, self.prompt.think)

    def so_far(self, more: str = "") -> Prompt:
        """The prompt with the reply so far, and `more`, in its open turn."""
        return replace(self.prompt, reply=(*self.prompt.reply, *self.segments, *((more,) if more else ())))

    def has_said(self, text: str) -> bool:
        """Whether a committed step says the same, white space aside."""
        said = " ".join(text.split())
        return bool(said) and any(" ".join(step.text.split()) == said for step in self.steps)
