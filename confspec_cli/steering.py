"""What a person wants of a run in progress, said while it goes on.

Plain flags: set from a key's thread, read by the cascade between tokens. Knows no model and no text.
"""

from __future__ import annotations


class Steering:
    """The wishes about one run; make a new one for the next. Every method is safe from any thread, and cheap."""

    def __init__(self) -> None:
        self._wishes: set[str] = set()

    def answer_now(self) -> None:
        """Close the thinking, or in plain reasoning ask for the answer, and have it written."""
        self._wishes.add("answer_now")

    def escalate_step(self) -> None:
        """Have the target judge the step being written, whatever the gate says."""
        self._wishes.add("escalate_step")

    def target_from_here(self) -> None:
        """Have the target write alone from here on."""
        self._wishes.add("target_from_here")
