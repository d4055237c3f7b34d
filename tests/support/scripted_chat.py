"""A conversation of scripted models for tests: what is typed comes from a list, what is said goes to a string."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.gate import Gate
from confspec_cli.core.limits import Lengths, Thresholds, config
from confspec_cli.core.messages import Sampling
from confspec_cli.core.run_config import RunConfig, authors
from confspec_cli.core.tasks import TASKS, TaskName
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import CARD, ScriptedEngine
from confspec_cli.errors import ModelMissing
from confspec_cli.render.notices import Notices
from confspec_cli.render.options import Show
from confspec_cli.repl.chat import Chat
from confspec_cli.repl.loop import converse
from confspec_cli.repl.pool_protocol import RunOptions
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.storage.session import Session

STEPS = ("This is the first step of it.\n\n", "And this is the second one.\n\n", "So it is \\boxed{42}.")
REWRITTEN = ("This is the first step of all.\n\n", "And here is the second one.\n\n", "So it must be \\boxed{43}.")


def unsure_of(word: str):
    """Labels: certain of every step but those that hold a word, which the target finds wrong."""
    return (
        lambda text: {"Yes": 0.5, "No": 0.4} if word in text else {"Yes": 0.98, "No": 0.01},
        lambda text: {"Yes": 0.1, "No": 0.8} if word in text else {"Yes": 0.98, "No": 0.01},
    )


@dataclass
class ScriptedCompany:
    """Two scripted models. `loaded` notes every change of models."""

    engines_by_author: dict[Author, ScriptedEngine]
    interrupt: Interrupt = field(default_factory=Interrupt)
    run_options: RunOptions = field(default_factory=RunOptions)
    loaded: list[RunOptions] = field(default_factory=list)

    @property
    def pair(self) -> str:
        return self.run_options.pair or "scripted"

    @property
    def engines(self) -> Mapping[Author, Engine]:
        return {author: self.engines_by_author[author] for author in authors(self.run_options.mode)}

    def recast(self, run_options: RunOptions) -> None:
        if run_options.pair == "nobody":
            raise ModelMissing('There is no pair "nobody".', "confspec models")
        self.loaded.append(run_options)
        self.run_options = run_options

    def config(self, run_options: RunOptions) -> RunConfig:
        gate = Thresholds(run_options.accept, run_options.reject).over(Gate())
        sampling = Sampling(run_options.temperature, seed=run_options.seed or 0)
        whole = config(run_options.mode, gate, "correct", sampling, Lengths(run_options.max_tokens or 400, 100, 8))
        return replace(whole, task=TASKS[run_options.task or TaskName.MATH])

    def prompt(self, question, system, before):
        return prompt_of(question, system, self.engines, before)

    @contextmanager
    def stopping(self):
        yield []

    def names(self, kind: str) -> Sequence[str]:
        return ["scripted", "starter"] if kind == "pair" else ["small", "big"]


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


def pool(context: int = 4096, doubt: str = "second", **changes) -> ScriptedCompany:
    """A pair of scripted models whose draft doubts one step."""
    card = replace(CARD, context=context)
    draft, target = unsure_of(doubt)
    engines = {
        Author.DRAFT: ScriptedEngine(STEPS, labels=draft, card=card, **changes),
        Author.TARGET: ScriptedEngine(REWRITTEN, labels=target, card=card, **changes),
    }
    return ScriptedCompany(engines)


def opened(*typed: str, models: ScriptedCompany | None = None, store=None, record=None, choices=()) -> Chat:
    """A conversation in which these lines will be typed."""
    screen = Notices(io.StringIO(), Show(), {})
    desk = ScriptedDesk(list(typed), list(choices))
    return Chat(models or pool(), store, record or Session(), screen, desk, io.StringIO())


def talk(*typed: str, **more) -> tuple[Chat, str]:
    """Have a conversation; the state it ends in, and everything that was shown."""
    chat = opened(*typed, **more)
    converse(chat)
    chat.record.close()
    return chat, shown(chat)


def shown(chat: Chat) -> str:
    """Everything that was shown."""
    return chat.screen._stream.getvalue()


def flat(text: str) -> str:
    """The text without its line breaks."""
    return " ".join(text.split())
