"""How a run comes to its answer: reasoning cut short, an answer asked for in a form, and the reply that is left.

Text in, text out. Knows prompts and steps; refuses to know engines at work.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.prompts import STOP_THINKING
from confspec_cli.core.run_config import Form
from confspec_cli.core.steps import Thought, after_thinking, paragraph, thought


def cut_short(said: str, opened: bool, fence: str, conclusion: str) -> str:
    """What turns reasoning into an answer: it closes an open thought, else an open code fence, and `conclusion` begins.

    `opened` says the prompt already stood inside the thought.
    """
    if thought(said, opened) is Thought.OPEN:
        return paragraph(said, STOP_THINKING)
    if fence:
        line_break = "" if said.endswith("\n") else "\n"
        return f"{line_break}{fence}\n\n{conclusion}"
    return paragraph(said, conclusion)


def ask_in_form(prompt: Prompt, said: Sequence[str], form: Form) -> Prompt:
    """The prompt of the answer in its form: after a closed thought it goes on there, else it is a turn of its own."""
    if thought("".join(said), prompt.think) is Thought.CLOSED:
        return replace(prompt, reply=(*prompt.reply, *said))
    turns = (Message("assistant", "".join((*prompt.reply, *said))), Message("user", form.request))
    return Prompt((*prompt.messages, *turns))


def reply_of(said: str, opened: bool, may_think: bool) -> str:
    """What of a reply is meant for the reader. To a model that never thinks `</think>` is text like any other."""
    if opened or may_think or said.lstrip().startswith("<think>"):
        return after_thinking(said, opened)
    return said
