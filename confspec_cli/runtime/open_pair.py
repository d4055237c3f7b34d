"""The library's way in: open a pair, reason with it, close it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from types import TracebackType

from confspec_cli.core.events import Event, RunFinished
from confspec_cli.core.messages import Message
from confspec_cli.core.policy import adaptive_drafting
from confspec_cli.core.run_config import RunConfig
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.reporter import Silent
from confspec_cli.runtime.resolve import user_registry


class OpenPair:
    """A pair whose models are loaded. One question at a time; a `with` statement, or `close`, frees them.

    Later runs reuse what earlier ones measured about whether drafting pays on this machine.
    """

    def __init__(self, pool: ModelPool, options: RunOptions) -> None:
        self._pool = pool
        self._options = options
        pool.switch(options)
        self._drafting = adaptive_drafting(self.config)

    @property
    def config(self) -> RunConfig:
        """Everything that shapes a run of this pair: its options over what models.yaml says."""
        return self._pool.config(self._options)

    def reason(self, question: str, *, system: str | None = None, before: Sequence[Message] = ()) -> Iterator[Event]:
        """The events of one reply, as they happen; the last is RunFinished. `before` is the conversation so far.

        Raises ContextFull where the prompt does not fit, EngineError where a model fails.
        """
        prompt = self._pool.prompt(question, system, tuple(before))
        yield from self._pool.run(prompt, self.config, drafting=self._drafting)

    def ask(self, question: str, *, system: str | None = None, before: Sequence[Message] = ()) -> RunFinished:
        """One reply, once it is complete: its `reply`, its `answer`, and the `reason` why it ended."""
        *_, last = self.reason(question, system=system, before=before)
        assert isinstance(last, RunFinished)
        return last

    def close(self) -> None:
        """Free the models; calling it twice is fine."""
        self._pool.close()

    def __enter__(self) -> OpenPair:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def open_pair(
    pair: str | None = None,
    options: RunOptions | None = None,
    hardware: HardwareOptions | None = None,
    *,
    pull: bool = False,
) -> OpenPair:
    """Load the models of a pair from models.yaml, or those that `options` name; None is the default pair.

    With `pull`, models that are not here yet are downloaded. Raises a ConfspecError for
    every error that the user can fix.
    """
    options = options or RunOptions()
    pool = ModelPool(user_registry(), hardware or HardwareOptions(), Silent(pulls=pull))
    try:
        return OpenPair(pool, replace(options, pair=pair) if pair else options)
    except BaseException:
        pool.close()
        raise
