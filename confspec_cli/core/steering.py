"""What a person wants of a run in progress, said while it goes on.

Plain flags: set from a key's thread or a signal handler, read by the cascade between tokens. Knows neither models nor
text.
"""

from __future__ import annotations

from confspec_cli.core.trace import Cause


class Steering:
    """The wishes about one run; make a new one for the next. Every method is safe from any thread, and cheap."""

    def __init__(self) -> None:
        self._wishes: set[Cause] = set()  # adding and discarding are single operations under the GIL

    def answer_now(self) -> None:
        """Close the thinking, or in plain reasoning ask for the answer, and have it written. Once a run."""
        self._wishes.add(Cause.ANSWER_NOW)

    def escalate_step(self) -> None:
        """Have the target judge the step being written, whatever the gate says."""
        self._wishes.add(Cause.ESCALATE_STEP)

    def target_from_here(self) -> None:
        """Have the target write alone from here on; a step the draft has begun is dropped."""
        self._wishes.add(Cause.TARGET_FROM_HERE)

    def wants(self, cause: Cause) -> bool:
        """Whether this was asked for and not taken yet."""
        return cause in self._wishes

    def take(self, cause: Cause) -> bool:
        """The same, and the wish is granted with it."""
        wanted = cause in self._wishes
        self._wishes.discard(cause)
        return wanted
