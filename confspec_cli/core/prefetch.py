"""While the target judges a step, the draft writes on: whether that pays, as measured, and the thread it does it on.

What is written after a step that is then rejected is thrown away. The thread never outlives the judging, so that one
model is never used by two threads at once. Refuses to know gates and what is written.
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

_TRIES = 2  # of each way, before one is taken
_RETRY = 16  # of so many judgings one is done the way that took longer


class PrefetchPolicy:
    """Says before each judging whether the draft writes on meanwhile; without `active` it never does.

    Each way is tried twice, by turns; then taken is the one of fewer seconds for a token judged. What the draft writes
    meanwhile counts for as long as it takes by itself, weighed by the share of judged steps that stand: only then is it
    used. Learns from the events of one run.
    """

    def __init__(self, active: bool = True) -> None:
        self._active = active
        self._is_on = False  # in the judging that is under way
        self._done = {False: 0, True: 0}  # judgings, by whether the draft wrote on
        self._turns = 0
        self._seconds = {False: 0.0, True: 0.0}  # of these
        self._tokens = {False: 0, True: 0}
        self._judged, self._stood = 0, 0
        self._ahead, self._used = 0, 0  # tokens written ahead, and those of them in the step being written
        self._draft_seconds, self._draft_tokens = 0.0, 0

    def begins(self) -> bool:
        """Whether the draft writes on now; to be asked once before each judging that it could overlap."""
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
                # The first time it reads the prompt, in batches that no later judging has.
                is_first = not self._judged
                self._seconds[self._is_on] += assessment.seconds + (0 if is_first else assessment.prefill_seconds)
                self._tokens[self._is_on] += assessment.tokens + (0 if is_first else assessment.prefill_tokens)
                self._done[self._is_on] += 1
                self._judged += 1
                self._stood += decision is Decision.ACCEPT
                self._is_on = False
            case StepPrefetched(tokens=tokens, used=used, waited=waited):
                self._ahead += tokens
                self._used = used
                self._seconds[True] += waited

    def _cost(self, is_on: bool) -> float:
        """Seconds for a token judged, less what the draft got done meanwhile."""
        share = (self._stood + 1) / (self._judged + 2)
        saved = share * self._ahead * self._draft_seconds / max(self._draft_tokens, 1) if is_on else 0.0
        return (self._seconds[is_on] - saved) / self._tokens[is_on]


class Prefetch:
    """What the draft writes as step `n`, on from `prompt`, from before it is known whether that will stand.

    `tokens` are the model's own, begun by a thread of its own and gone on with by whoever takes them. `clock` gives
    seconds.
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
        """While this holds the thread writes, up to a token that `is_enough`; afterwards it has ended."""

        def write() -> None:
            for token in self._tokens:
                self._written.append(token)
                if self._is_told_to_stop or is_enough(token):
                    return

        thread = ThreadPoolExecutor(1, "ahead")
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
        """At most `count` tokens: those written, then those the model writes on with. Raises what the thread met."""
        with closing(self._tokens):
            yield from islice(chain(self._written, self._rest()), count)

    def told(self, taken: int = 0) -> StepPrefetched:
        """What became of it, of which so many tokens were taken; what was not is thrown away."""
        return StepPrefetched(self.n, len(self._written), min(taken, len(self._written)), self._waited)

    def close(self) -> None:
        """Throw it away."""
        self._tokens.close()

    def _rest(self) -> Iterator[Token]:
        self._future.result()
        yield from self._tokens


def _await(future: Future[None]) -> None:
    """Wait for the token being written: an error that a signal raises has to wait too, as the model is in use."""
    try:
        wait([future])
    except (KeyboardInterrupt, Interrupted):
        wait([future])
        raise
