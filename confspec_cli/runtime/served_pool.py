"""The pair of a running `confspec serve`, in the place of models that are loaded here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import cast

from confspec_cli.core.conversation import Turn
from confspec_cli.core.engine import Engine
from confspec_cli.core.events import Event
from confspec_cli.core.messages import Message, ModelCard, Prompt
from confspec_cli.core.policy import AdaptiveDrafting
from confspec_cli.core.run_config import RunConfig, authors
from confspec_cli.core.steering import Steering
from confspec_cli.core.trace import Author, Step
from confspec_cli.errors import UsageError
from confspec_cli.models.registry import Pair, Registry
from confspec_cli.runtime.answer_form import Wanted
from confspec_cli.runtime.configure import build_config, for_question
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.served import Served

_CHARS_PER_TOKEN = 3  # on the safe side


@dataclass(slots=True)
class _Elsewhere:
    """What is known here of a model there: its card, and about how many tokens a prompt has."""

    card: ModelCard
    tokens_read: int = 0

    def count(self, prompt: Prompt) -> int:
        """About how many tokens the prompt has."""
        texts = (*(message.content for message in prompt.messages), *prompt.reply)
        return sum(map(len, texts)) // _CHARS_PER_TOKEN


class ServedPool(ModelPool):
    """Raises ServerError where no server is, UsageError where it has another pair or the options are its own affair."""

    can_steer = False

    def __init__(self, registry: Registry, url: str, options: RunOptions, hardware: HardwareOptions) -> None:
        super().__init__(registry, hardware)
        self._served = Served(url, options, hardware, self.interrupt)
        self._models = {
            author: cast(Engine, _Elsewhere(ModelCard(name, "", 0, context, server=url)))
            for author, (name, context) in self._served.models().items()
        }
        self._rules = registry.pairs.get(self._served.pair) or Pair(self._served.pair, "", "")
        self.switch(options)

    @property
    def pair(self) -> str:
        """The name of the pair, and where it is."""
        return f"{self._served.pair} on {self._served.host}"

    @property
    def engines(self) -> Mapping[Author, Engine]:
        """What is known of the models there; they can do nothing here."""
        return {author: self._models[author] for author in authors(self._options.mode)}

    def switch(self, options: RunOptions) -> None:
        """Take other options for the runs to come. Raises UsageError for other models."""
        if options.draft or options.target or options.pair not in (None, self._served.pair):
            raise UsageError("The server has its models already; other ones need a chat of their own.", "confspec chat")
        self._options = options

    def config(self, options: RunOptions) -> RunConfig:
        """The configuration that a run there is asked to have, as far as it is known here."""
        return build_config(self._rules, options)

    def warnings(self, config: RunConfig) -> Sequence[str]:  # noqa: ARG002
        """None: the server says what is to be said."""
        return ()

    def prompt(
        self,
        question: str,
        system: str | None,
        before: tuple[Message, ...],
        config: RunConfig | None = None,  # noqa: ARG002
    ) -> Prompt:
        """The messages; whether they fit, the server says."""
        return Prompt(tuple(self._served.messages(question, system, before)))

    def run(
        self,
        prompt: Prompt,
        config: RunConfig,
        steering: Steering | None = None,  # noqa: ARG002
        drafting: AdaptiveDrafting | None = None,  # noqa: ARG002
        earlier: Sequence[Step] | None = None,
    ) -> Iterator[Event]:
        """The events of a run there."""
        if earlier is not None:
            raise UsageError("A server begins every reply anew, so it cannot go on with one.", "/regen")
        options = replace(self._options, mode=config.mode, task=config.task.name, seed=config.sampling.seed)
        if config.max_tokens != self.config(options).max_tokens:  # a summary is short
            options = replace(options, max_tokens=config.max_tokens)
        yield from self._served.reason(options, prompt.messages, Wanted(extract=False))

    def for_question(self, options: RunOptions, question: str, wants_answer: bool = False) -> RunOptions:
        """The options with the kind of work told from a question, where it was not said."""
        return for_question(options, self._rules, question, wants_answer)

    def as_before(self, options: RunOptions, turns: Sequence[Turn]) -> RunOptions:
        """The settings a conversation was had with last; the models are the server's."""
        return replace(super().as_before(options, turns), pair=None, draft=None, target=None)

    def names(self, kind: str) -> Sequence[str]:
        """The pair."""
        return [self._served.pair] if kind == "pair" else []

    def close(self) -> None:
        """Let go of the server."""
        self._served.close()
