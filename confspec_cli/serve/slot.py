"""One set of models in memory, and the one thread in which they work."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

from confspec_cli.core.events import Event, RunFinished, RunStarted, Warned
from confspec_cli.core.messages import ModelCard, Prompt
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.errors import ConfspecError, ContextFull, EngineError, Interrupted, UsageError
from confspec_cli.runtime.answer_form import Wanted, wanted_json
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import thinks
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.serve.chat_request import ChatRequest
from confspec_cli.serve.conversations import Conversations

Outcome = ConfspecError | Interrupted | None
"""How a run failed, if it did."""


@dataclass(slots=True)
class Job:
    """A request on its way through the models, and what is known of it before the first event."""

    chat: ChatRequest
    prompt_tokens: int = field(default=0, init=False)


class Slot:
    """Runs one request at a time. `pool` has its models loaded."""

    def __init__(self, pool: ModelPool, conversations: Conversations) -> None:
        self._pool = pool
        self._conversations = conversations
        self._thread = ThreadPoolExecutor(1, "models")
        self._gate: object = None
        self._drafting: AdaptiveDrafting | None = None

    @property
    def cards(self) -> Mapping[Author, ModelCard]:
        """What is known of the models."""
        return {author: engine.card for author, engine in self._pool.engines.items()}

    def start(self, job: Job, put: Callable[[Event], None]) -> asyncio.Future[Outcome]:
        """Run a job; `put` is given every event, in the event loop's thread."""
        loop = asyncio.get_running_loop()
        self._pool.interrupt.clear()  # here, so that a stop that comes before the thread has begun is not lost

        def put_there(event: Event) -> None:
            loop.call_soon_threadsafe(put, event)

        return loop.run_in_executor(self._thread, self._run, job, put_there)

    def stop(self) -> None:
        """Have the run in progress end at its next token."""
        self._pool.interrupt.set()

    def close(self) -> None:
        """End the run in progress, and free the models."""
        self.stop()
        self._thread.shutdown()
        self._pool.close()

    def _run(self, job: Job, put: Callable[[Event], None]) -> Outcome:
        try:
            with self._conversations.saving(job.chat) as saving:
                for event in saving.over(self._events(job)):
                    put(event)
        except (ConfspecError, Interrupted) as error:
            return error
        return None

    def _events(self, job: Job) -> Iterator[Event]:
        chat, pool = job.chat, self._pool
        wanted = wanted_json(chat.schema[1], chat.schema[0]) if chat.schema else Wanted(extract=False)
        first = next((message.content for message in chat.before if message.role == "user"), chat.question)
        options = pool.for_question(chat.options, first, wants_answer=wanted.form is not None)
        pool.switch(options)
        config = replace(pool.config(options), form=wanted.form)
        prompt = self._prompt(chat, config)
        job.prompt_tokens = list(pool.engines.values())[-1].count(prompt)
        if self._gate != (gate := (config.mode, config.task.name, config.gate)):
            self._gate, self._drafting = gate, adaptive_drafting(config)
        for event in pool.run(prompt, config, drafting=self._drafting):
            yield event
            match event:
                case RunStarted():
                    yield from map(Warned, pool.warnings(config))
                case RunFinished():
                    wanted.check(event, config.max_tokens)

    def _prompt(self, chat: ChatRequest, config: RunConfig) -> Prompt:
        """What the models read. Without a system prompt of the client's it is confspec's own, in every turn."""
        engines = self._pool.engines
        think = thinks(chat.options, engines)
        own = config.task.system_thinking if think else config.task.system
        system = own if chat.system is None else chat.system
        try:
            return prompt_of(chat.question, system, engines, chat.before, config, think)
        except ContextFull:
            raise
        except EngineError as error:  # a chat template that does not take these messages
            raise UsageError(str(error)) from error
