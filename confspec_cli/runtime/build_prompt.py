"""What both models are given to read: a question after what was said before it, checked against both contexts."""

from __future__ import annotations

from collections.abc import Mapping

from confspec_cli.core.engine import Engine
from confspec_cli.core.messages import Message, Prompt
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.tasks import TASKS, TaskName
from confspec_cli.core.trace import Author
from confspec_cli.errors import ContextFull
from confspec_cli.files import check_unicode


def prompt_of(
    question: str,
    system: str | None,
    models: Mapping[Author, Engine],
    before: tuple[Message, ...] = (),
    config: RunConfig | None = None,
    think: bool | None = None,
) -> Prompt:
    """The prompt of a run. `before` is the conversation so far; a `system` given stands in place of the one in it.

    Models that think are told the form of their answer at once, others are asked for it later; whether they do is up to
    the last one where `think` does not say. Raises ContextFull before anything is computed, and
    UsageError for what is no text.
    """
    think = list(models.values())[-1].card.thinks if think is None else think
    task = config.task if config else TASKS[TaskName.MATH]
    if think and config and config.form:
        question = f"{question}\n\n{config.form.request}"
    told = [message.content for message in before if message.role == "system"]
    if system is None:
        own = task.system_thinking if think else task.system
        system = "".join(told) if before else own
    turns = (message for message in before if message.role != "system")
    messages = (*((Message("system", system),) if system else ()), *turns, Message("user", question))
    check_unicode("".join(message.content for message in messages), "The prompt")
    prompt = Prompt(messages, think=think)
    for author, engine in models.items():
        count, context = engine.count(prompt), engine.card.context
        if count >= context:
            raise ContextFull(
                f"The prompt is {count} tokens long, and the {author.value}'s context holds {context}.",
                f"--context {1 << (count + 512).bit_length()}",
            )
    return prompt
