"""What the user wants of a run in progress: flags, set by the keyboard's thread and read between tokens."""

from __future__ import annotations

from confspec_cli.core.trace import Cause


class Steering:
    """The user's wishes for one run. Every method is cheap, and safe in any thread."""

    def __init__(self) -> None:
        self._wishes: set[Cause] = set()  # adding and discarding are single operations under the GIL

    def answer_now(self) -> None:
        """Cut the reasoning short and have the answer written; once a run."""
        self._wishes.add(Cause.ANSWER_NOW)

    def escalate_step(self) -> None:
        """Escalate the step being written, whatever the gate says."""
        self._wishes.add(Cause.ESCALATE_STEP)

    def target_from_here(self) -> None:
        """Have the target write alone from here on; a step that the draft has begun is dropped."""
        self._wishes.add(Cause.TARGET_FROM_HERE)

    def wants(self, cause: Cause) -> bool:
        """Whether this is wanted and has not been granted."""
        return cause in self._wishes

    def take(self, cause: Cause) -> bool:
        """The same; if it is wanted, that grants it."""
        wanted = self.wants(cause)
        self._wishes.discard(cause)
        return wanted
