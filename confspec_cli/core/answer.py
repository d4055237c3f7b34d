"""What turns reasoning into an answer: the text that cuts it short, and the prompt for an answer in a given form."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.prompts import STOP_THINKING
from confspec_cli.core.run_config import Form
from confspec_cli.core.steps import paragraph
from confspec_cli.core.thinking import Thought, thought


def cut_short(said: str, opened: bool, fence: str, conclusion: str) -> str:
    """The text that ends the reasoning: it closes an open thought, or else an open code block and begins `conclusion`.

    `opened` says that the prompt has opened a thought already.
    """
    if thought(said, opened) is Thought.OPEN:
        return paragraph(said, STOP_THINKING)
    if fence:
        line_break = "" if said.endswith("\n") else "\n"
        return f"{line_break}{fence}\n\n{conclusion}"
    return paragraph(said, conclusion)


def ask_in_form(prompt: Prompt, said: Sequence[str], form: Form) -> Prompt:
    """The prompt for the answer in its form: it continues after a closed thought, and is otherwise a new turn."""
    if thought("".join(said), prompt.think) is Thought.CLOSED:
        return replace(prompt, reply=(*prompt.reply, *said))
    turns = (Message("assistant", "".join((*prompt.reply, *said))), Message("user", form.request))
    return Prompt((*prompt.messages, *turns))
