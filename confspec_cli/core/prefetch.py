"""Prefetching (experimental): while the target verifies a step, the draft begins the next one on a thread of its own.

If the step is rejected, what was begun is thrown away. The thread never outlives the verification, so that one model is
never used by two threads at once.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import closing, contextmanager
from itertools import chain, islice

from confspec_cli.core.events import Event, StepJudged, StepPrefetched, StepWritten
from confspec_cli.core.gate import Decision
from confspec_cli.core.messages import Prompt, Token
from confspec_cli.core.trace import Author
from confspec_cli.errors import Interrupted

_TRIES = 2  # of each way, before one is chosen
_RETRY = 16  # one in so many verifications is done the way that took longer


class PrefetchPolicy:
    """Decides before each verification whether to prefetch; without `active` it never does.

    Each way is tried twice, in turn; then the one with fewer seconds per verified token is chosen. A prefetched token
    is credited with the time the draft takes for one alone, times the share of steps that stand, as it is used only
    then. Learns from the events of one run.
    """

    def __init__(self, active: bool = True) -> None:
        self._active = active
        self._is_on = False  # in the verification under way
        self._done = {False: 0, True: 0}  # verifications without and with a prefetch
        self._turns = 0
        self._seconds = {False: 0.0, True: 0.0}  # of these
        self._tokens = {False: 0, True: 0}
        self._verified, self._stood = 0, 0
        self._prefetched, self._used = 0, 0  # tokens in all, and those in the step being written
        self._draft_seconds, self._draft_tokens = 0.0, 0

    def begins(self) -> bool:
        """Whether to prefetch now; to be asked once before each verification that allows it."""
        if not self._active:
            return False
        if min(self._done.values()) < _TRIES:
            self._is_on = self._done[True] < self._done[False]
        else:
            self._turns += 1
            self._is_on = (self._cost(True) < self._cost(False)) is not (self._turns % _RETRY == 0)
        return self._is_on

    def add(self, event: Event) -> None:
        """Learn from the next event."""
        match event:
            case StepWritten(written_step=written) if written.author is Author.DRAFT:
                alone, self._used = written.tokens - self._used, 0
                if alone > 0:
                    self._draft_tokens += alone
                    self._draft_seconds += written.seconds - written.prefill_seconds
            case StepJudged(assessment=assessment, decision=decision) if assessment.by is Author.TARGET:
                # The first time it reads the prompt too, in batches that no later verification has.
                is_first = not self._verified
                self._seconds[self._is_on] += assessment.seconds + (0 if is_first else assessment.prefill_seconds)
                self._tokens[self._is_on] += assessment.tokens + (0 if is_first else assessment.prefill_tokens)
                self._done[self._is_on] += 1
                self._verified += 1
                self._stood += decision is Decision.ACCEPT
                self._is_on = False
            case StepPrefetched(tokens=tokens, used=used, waited=waited):
                self._prefetched += tokens
                self._used = used
                self._seconds[True] += waited

    def _cost(self, is_on: bool) -> float:
        """Seconds per verified token, less what the prefetches saved."""
        share = (self._stood + 1) / (self._verified + 2)
        saved = share * self._prefetched * self._draft_seconds / max(self._draft_tokens, 1) if is_on else 0.0
        return (self._seconds[is_on] - saved) / self._tokens[is_on]


class Prefetch:
    """Step `n` as the draft begins it, continuing a `prompt` of which the last step may yet be rejected.

    `tokens` is the model's generator: a thread begins to draw from it, and whoever takes the step up continues.
    `clock` gives seconds.
    """

    def __init__(
        self, n: int, prompt: Prompt, tokens: Generator[Token, None, None], clock: Callable[[], float]
    ) -> None:
        self.n = n
        self.prompt = prompt
        self._tokens = tokens
        self._clock = clock
        self._written: list[Token] = []
        self._future: Future[None]
        self._is_told_to_stop = False
        self._waited = 0.0

    @contextmanager
    def writing(self, is_enough: Callable[[Token], bool]) -> Iterator[None]:
        """While this holds the thread writes, at most up to a token that `is_enough`; it has ended afterwards."""

        def write() -> None:
            for token in self._tokens:
                self._written.append(token)
                if self._is_told_to_stop or is_enough(token):
                    return

        thread = ThreadPoolExecutor(1, "prefetch")
        self._future = thread.submit(write)
        try:
            yield
        finally:
            began = self._clock()
            self._is_told_to_stop = True
            _await(self._future)
            thread.shutdown()
            self._waited = self._clock() - began

    def tokens(self, count: int) -> Generator[Token, None, None]:
        """At most `count` tokens: those written already, then new ones. Raises the error the thread met, if any."""
        with closing(self._tokens):
            yield from islice(chain(self._written, self._rest()), count)

    def event(self, taken: int = 0) -> StepPrefetched:
        """The event that says what became of it: `taken` tokens were used at most, and the others thrown away."""
        return StepPrefetched(self.n, len(self._written), min(taken, len(self._written)), self._waited)

    def close(self) -> None:
        """Throw it away."""
        self._tokens.close()

    def _rest(self) -> Iterator[Token]:
        self._future.result()
        yield from self._tokens


def _await(future: Future[None]) -> None:
    """Wait for the token being written; so must an error that a signal raises, as the model is in use."""
    try:
        wait([future])
    except (KeyboardInterrupt, Interrupted):
        wait([future])
        raise
