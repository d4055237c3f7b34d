"""What both models are given to read: a question after what was said before it, checked against both contexts."""

from __future__ import annotations

from collections.abc import Mapping

from confspec_cli.engines.base import Engine, Message, Prompt
from confspec_cli.errors import ContextFull
from confspec_cli.prompts import SYSTEM
from confspec_cli.trace import Author


def prompt_of(
    question: str, system: str | None, models: Mapping[Author, Engine], before: tuple[Message, ...] = ()
) -> Prompt:
    """The prompt of a run. `before` is the conversation so far; a `system` given stands in place of the one in it.

    Raises ContextFull before anything is computed.
    """
    think = list(models.values())[-1].card.thinks
    told = [message.content for message in before if message.role == "system"]
    if system is None:
        own = "" if think else SYSTEM
        system = "".join(told) if before else own
    turns = (message for message in before if message.role != "system")
    messages = (*((Message("system", system),) if system else ()), *turns, Message("user", question))
    prompt = Prompt(messages, think=think)
    for author, engine in models.items():
        count, context = engine.count(prompt), engine.card.context
        if count >= context:
            raise ContextFull(
                f"The prompt is {count} tokens long, and the {author.value}'s context holds {context}.",
                f"--context {1 << (count + 512).bit_length()}",
            )
    return prompt
