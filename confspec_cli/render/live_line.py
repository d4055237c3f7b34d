"""The line below a run in progress: what it is at, how fast it is, how long it has taken, and which keys act."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.text import Text

from confspec_cli.core.events import Event, RunFinished, RunStarted, StepCommitted, StepOpened, TextWritten
from confspec_cli.core.stats import RunStats
from confspec_cli.render.wording import count

_LONG = 256  # tokens of a prefill that is worth a word
_SECONDS_BEFORE_A_RATE = 1.0

Reading = Callable[[], tuple[int, int]]
"""How many tokens of the prefill in progress have been read, of how many; (0, 0) where there is none."""


def nothing_read() -> tuple[int, int]:
    """There is no model that could be asked."""
    return 0, 0


class LiveLine:
    """Follows a run. `keys` are the keys that act, and what they do; `clock` gives seconds."""

    def __init__(
        self, dot: str, clock: Callable[[], float], keys: Sequence[str] = (), reading: Reading = nothing_read
    ) -> None:
        self._dot = dot
        self._clock = clock
        self._keys = keys
        self._reading = reading
        self._began: float | None = None
        self._step = 1
        self._writing = 0  # tokens of the step that is not committed yet
        self._stats = RunStats()

    def handle(self, event: Event) -> None:
        """Take note of an event."""
        self._stats.add(event)
        match event:
            case RunStarted():
                self._began, self._stats, self._step, self._writing = self._clock(), RunStats(), 1, 0
            case StepOpened(n=n):
                self._step, self._writing = n, 0
            case TextWritten():
                self._writing += 1
            case StepCommitted():
                self._writing = 0
            case RunFinished():
                self._began = None

    def draw(self, width: int) -> list[Text]:
        """The line, as much of it as fits; none where nothing is running."""
        if self._began is None:
            return []
        said = ""
        for item in (*self._items(self._clock() - self._began), *self._keys):
            longer = f"{said}{self._dot}{item}" if said else item
            if cell_len(longer) > max(8, width - 1):
                break
            said = longer
        return [Text(said, "dim")]

    def _items(self, seconds: float) -> list[str]:
        done, total = self._reading()
        items = [f"step {self._step}"]
        if total >= _LONG:
            items = [f"reading {'prompt ' if self._step == 1 else ''}{done:,}/{total:,}"]
        elif (written := self._stats.total_tokens + self._writing) and seconds >= _SECONDS_BEFORE_A_RATE:
            items.append(f"{count(round(written / seconds), 'token')}/s")
        return [*items, f"{int(seconds) // 60}:{int(seconds) % 60:02}"]
