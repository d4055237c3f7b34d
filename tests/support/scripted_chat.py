"""A conversation of scripted models for tests: what is typed comes from a list, what is said goes to a string."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from confspec_cli.core.messages import ModelCard
from confspec_cli.core.run_config import RunConfig
from confspec_cli.core.tasks import TaskName
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import CARD, ScriptedEngine
from confspec_cli.models.registry import Model, Pair, Registry
from confspec_cli.models.sources import ModelFile, PathSource
from confspec_cli.render.notices import Notices
from confspec_cli.render.options import Show
from confspec_cli.repl.chat_state import Chat
from confspec_cli.repl.loop import converse
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.storage.session import Session

STEPS = ("This is the first step of it.\n\n", "And this is the second one.\n\n", "So it is \\boxed{42}.")
REWRITTEN = ("This is the first step of all.\n\n", "And here is the second one.\n\n", "So it must be \\boxed{43}.")

PAIR = Pair("scripted", "small", "big", max_tokens=400, max_step_tokens=100, min_step_chars=8)


def unsure_of(word: str):
    """Labels: certain of every step but those that hold a word, which the target finds wrong."""
    return (
        lambda text: {"Yes": 0.5, "No": 0.4} if word in text else {"Yes": 0.98, "No": 0.01},
        lambda text: {"Yes": 0.1, "No": 0.8} if word in text else {"Yes": 0.98, "No": 0.01},
    )


class ScriptedPool(ModelPool):
    """A pool whose models are scripted. `loaded` notes the options of every change of models."""

    def __init__(self, engines: dict[Author, ScriptedEngine], pair: Pair = PAIR) -> None:
        files = {name: ModelFile(f"{name}.gguf", (PathSource(Path(name)),)) for name in ("small", "big")}
        models = {name: Model(name, (file,)) for name, file in files.items()}
        pairs = {name: replace(pair, name=name) for name in ("scripted", "starter")}
        registry = Registry(models, pairs, "scripted")
        super().__init__(registry, HardwareOptions(), find=self._find_files, load=self._take_engines)
        self.scripted = engines
        self.loaded: list[RunOptions] = []
        super().switch(RunOptions())

    def switch(self, options: RunOptions) -> None:
        super().switch(options)
        self.loaded.append(options)

    def config(self, options: RunOptions) -> RunConfig:
        """Scripted models take no time, so whether drafting is worth it is not to be measured."""
        return replace(super().config(options), adaptive=False)

    def _find_files(self, resolved, reporter):
        return {author: Path(role.name) for author, role in resolved.roles.items()}

    def _take_engines(self, resolved, paths, hardware, interrupt, reporter):
        for engine in self.scripted.values():
            engine.interrupt = interrupt
        return {author: self.scripted[author] for author in paths}


@dataclass
class ScriptedDesk:
    """Types lines one after the other, then leaves. `given` notes what stood on the prompt."""

    typed: list[str]
    choices: list[str] = field(default_factory=list)
    given: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    vi: bool = False

    def read(self, default: str = "") -> str:
        self.given.append(default)
        if not self.typed:
            raise EOFError
        line = self.typed.pop(0)
        if line == "^C":
            raise KeyboardInterrupt
        return line or default

    def choose(self, question: str, choices: Mapping[str, str]) -> str:
        self.asked.append(question)
        return self.choices.pop(0) if self.choices else next(iter(choices))


def pool(context: int = 4096, doubt: str = "second", card: ModelCard = CARD, **changes) -> ScriptedPool:
    """A pair of scripted models whose draft doubts one step."""
    card = replace(card, context=context)
    draft, target = unsure_of(doubt)
    engines = {
        Author.DRAFT: ScriptedEngine(STEPS, labels=draft, card=card, **changes),
        Author.TARGET: ScriptedEngine(REWRITTEN, labels=target, card=card, **changes),
    }
    return ScriptedPool(engines)


def opened(*typed: str, models: ModelPool | None = None, store=None, record=None, choices=(), task=TaskName.MATH):
    """A conversation in which these lines will be typed."""
    screen = Notices(io.StringIO(), Show(), {})
    desk = ScriptedDesk(list(typed), list(choices))
    return Chat(
        models or pool(), store, record or Session(), screen, desk, io.StringIO(), options=RunOptions(task=task)
    )


def talk(*typed: str, **more):
    """Have a conversation; the state it ends in, and everything that was shown."""
    chat = opened(*typed, **more)
    converse(chat)
    chat.record.close()
    return chat, shown(chat)


def shown(chat):
    """Everything that was shown."""
    return chat.screen._stream.getvalue()


def flat(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())
