"""Several replies reasoned at once: an engine of its own for each, a server asked by all, a model here in turns."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from queue import SimpleQueue
from typing import Protocol, TypeVar, cast

from confspec_cli.core.engine import Engine, Interrupt, Metered, Noticing, Power
from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token
from confspec_cli.core.price import Usage
from confspec_cli.core.trace import Author
from confspec_cli.errors import ConfspecError, Interrupted, UsageError
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions
from confspec_cli.runtime.remote import open_remotes
from confspec_cli.runtime.reporter import SILENT, Reporter
from confspec_cli.runtime.resolve import ResolvedPair

_AHEAD = 4  # items begun for each job while the first of them is not finished
_AGAIN = 8  # turns in every place, before one more place is tried at a server that was busy
I = TypeVar("I")  # noqa: E741
R = TypeVar("R")

Models = Mapping[Author, Engine]


class Sharing(Protocol):
    """An engine that runs here, whose weights can serve several contexts."""

    def another(self) -> Engine:
        """An engine over the same weights with a KV cache of its own; to be closed first."""
        ...


class Waiting(Protocol):
    """An engine over a server, which may be busy."""

    def pause_within(self, pausing: Callable[[], AbstractContextManager[None]]) -> None:
        """Have every wait that a busy server asks for happen within such a context."""
        ...


def check_jobs(resolved: ResolvedPair, jobs: int) -> None:
    """Raises UsageError where several replies at once would only wait for one another."""
    if jobs > 1 and not any(isinstance(role, RemoteModel) for role in resolved.roles.values()):
        raise UsageError(
            "All models run here, one reply at a time; --jobs is for models on servers.", "leave out --jobs"
        )


class Crew:
    """Engines for so many replies at once, and what each of them is doing; see `crew`."""

    def __init__(self, sets: Sequence[Models], turns: Mapping[Author, Turns], interrupt: Interrupt) -> None:
        self.sets = sets
        self._turns = turns
        self.interrupt = interrupt

    @property
    def is_shared(self) -> bool:
        """Whether replies wait for one another, so that the time they take says little of the models."""
        return len(self.sets) > 1

    def doing(self) -> str:
        """How many replies each model works on and how many wait for it, in words; empty for one reply at a time."""
        if not self.is_shared:
            return ""
        waiting = [
            f"{turns.waiting} wait for the {author.value}" for author, turns in self._turns.items() if turns.waiting
        ]
        working = [f"{author.value} {turns.working}" for author, turns in self._turns.items()]
        return "; ".join([f"at work: {', '.join(working)}", *waiting])

    def in_order(self, items: Iterable[I], run: Callable[[Models, I], R]) -> Iterator[R]:
        """What `run` makes of each item, in the order of the items, with as many at once as there are engines for.

        Raises what a run raises, after the others were stopped and what was finished was handed out.
        """
        if not self.is_shared:
            for item in items:
                if self.interrupt.is_set():
                    return
                yield run(self.sets[0], item)
            return
        free: SimpleQueue[Models] = SimpleQueue()
        for models in self.sets:
            free.put(models)

        def one(item: I) -> R:
            models = free.get()
            try:
                return run(models, item)
            finally:
                free.put(models)

        todo, failures = iter(items), list[ConfspecError]()
        with ThreadPoolExecutor(len(self.sets), "job") as threads, self._stopping():
            begun = deque(threads.submit(one, item) for item in islice(todo, _AHEAD * len(self.sets)))
            while begun:
                try:
                    result = begun.popleft().result()
                except Interrupted:  # before it had begun
                    continue
                except ConfspecError as problem:
                    failures.append(problem)
                    self.interrupt.set()
                    continue
                yield result
                begun.extend(threads.submit(one, item) for item in islice(todo, not self.interrupt.is_set()))
        if failures:
            self.interrupt.clear()
            raise failures[0]

    @contextmanager
    def _stopping(self) -> Iterator[None]:
        """Stop all runs where the block is left by an exception, so that nobody waits for whole replies."""
        try:
            yield
        except BaseException:
            self.interrupt.set()
            raise


@contextmanager
def crew(
    resolved: ResolvedPair,
    paths: Mapping[Author, Path],
    hardware: HardwareOptions,
    interrupt: Interrupt,
    reporter: Reporter,
    jobs: int,
) -> Iterator[Crew]:
    """Engines for `jobs` replies at once, closed at the end: connections of their own to a server, and for a model that
    runs here a KV cache of their own over the same weights.
    """
    remote = {author: role for author, role in resolved.roles.items() if isinstance(role, RemoteModel)}
    with engines(resolved, paths, hardware, interrupt, reporter) as first, ExitStack() as stack:
        if jobs == 1:
            yield Crew([first], {}, interrupt)
            return
        sets: list[Models] = [first]
        for _ in range(jobs - 1):
            more: dict[Author, Engine] = open_remotes(remote, interrupt, SILENT)
            for engine in more.values():
                stack.callback(engine.close)
            for author in first.keys() - remote.keys():
                more[author] = cast(Sharing, first[author]).another()
                stack.callback(more[author].close)
            sets.append(more)
        turns = {author: Turns(jobs if author in remote else 1) for author in first}
        for one in sets:
            for author in remote:
                cast(Waiting, one[author]).pause_within(turns[author].pause)
        yield Crew(
            [{author: InTurns(one[author], turns[author]) for author in first} for one in sets], turns, interrupt
        )


class Turns:
    """How many use a model, no more than `limit` at once, and how many wait for it.

    A server that is busy shows how many it serves at once: all but those it has refused. That is the limit from then
    on, and now and then one more is tried.
    """

    def __init__(self, most: int) -> None:
        self._changed = threading.Condition()
        self._most = self.limit = most
        self._refused = self._ended = 0
        self.working = self.waiting = 0

    @contextmanager
    def turn(self) -> Iterator[None]:
        """A turn, as soon as it comes."""
        with self._changed:
            self.waiting += 1
            self._changed.wait_for(lambda: self.working < self.limit)
            self.waiting -= 1
            self.working += 1
        try:
            yield
        finally:
            with self._changed:
                self.working -= 1
                self._ended += 1
                if self._ended >= _AGAIN * self.limit and self.limit < self._most:
                    self.limit, self._ended = self.limit + 1, 0
                self._changed.notify_all()

    @contextmanager
    def pause(self) -> Iterator[None]:
        """The pause in a turn that a busy server wants; it ends when one of those served has ended."""
        with self._changed:
            self._refused += 1
            self.limit, self._ended = max(1, self.working - self._refused), 0
        try:
            yield
        finally:
            with self._changed:
                self._changed.wait_for(lambda: self.working - self._refused < self.limit)
                self._refused -= 1


class InTurns:
    """An engine whose every call is a turn; what it writes of a step is one."""

    def __init__(self, engine: Engine, turns: Turns) -> None:
        self._engine = engine
        self._turns = turns
        self.notices = engine.notices if isinstance(engine, Noticing) else list[str]()

    @property
    def card(self) -> ModelCard:
        """Facts about the model."""
        return self._engine.card

    @property
    def powers(self) -> frozenset[Power]:
        """Those of the engine."""
        return self._engine.powers

    @property
    def tokens_read(self) -> int:
        """Tokens read so far."""
        return self._engine.tokens_read

    @property
    def verification_tokens(self) -> int:
        """Tokens of questions read so far."""
        return self._engine.verification_tokens

    @property
    def usage(self) -> Usage:
        """What was sent to a server and received from it."""
        return self._engine.usage if isinstance(self._engine, Metered) else Usage()

    @property
    def reading(self) -> tuple[int, int]:
        """The prefill in progress."""
        return self._engine.reading

    def reset(self) -> None:
        """Empty its KV cache."""
        with self._turns.turn():
            self._engine.reset()

    def read(self, prompt: Prompt) -> None:
        """Catch up on the prompt."""
        with self._turns.turn():
            self._engine.read(prompt)

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn."""
        with self._turns.turn():
            yield from self._engine.generate(prompt, sampling, max_tokens)

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probabilities of the labels."""
        with self._turns.turn():
            return self._engine.label_probs(prompt, labels)

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:
        """The continuation as the model reads it."""
        with self._turns.turn():
            return self._engine.score(prompt, continuation, ends)

    def judge(
        self, prompt: Prompt, continuation: str, ends: bool, labels: tuple[str, ...]
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Both readings in one."""
        with self._turns.turn():
            return self._engine.judge(prompt, continuation, ends, labels)

    def count(self, prompt: Prompt) -> int:
        """Tokens in the prompt."""
        with self._turns.turn():
            return self._engine.count(prompt)

    def speculate_with(self, other: Engine | None) -> None:
        """Do nothing: another model would be needed in the same turn."""

    def close(self) -> None:
        """Do nothing: whoever opened the engine closes it."""
