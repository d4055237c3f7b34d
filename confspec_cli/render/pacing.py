"""A recorded run at the speed at which it happened, or faster."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from confspec_cli.core.events import Event, RunFinished, StepCommitted, StepJudged, StepOpened, StepWritten, TextWritten


def paced(events: Iterable[Event], speed: float, wait: Callable[[float], None]) -> Iterator[Event]:
    """The events, with `wait` called for the seconds that each took, divided by `speed`.

    How long a step took to write is known only at its end, so its text is held back until then.
    """
    held: list[Event] = []
    for event in events:
        match event:
            case StepWritten(written_step=step) if held:
                yield from _spread(held, step.prefill_seconds / speed, step.seconds / speed, wait)
                yield event
                held = []
            case StepOpened():
                yield from held
                held = [event]
            case StepJudged() | StepCommitted() | RunFinished():
                yield from held
                held = []
                if isinstance(event, StepJudged):
                    wait((event.assessment.seconds + event.assessment.prefill_seconds) / speed)
                yield event
            case _ if held:
                held.append(event)
            case _:
                yield event
    yield from held


def _spread(held: Sequence[Event], prefill: float, whole: float, wait: Callable[[float], None]) -> Iterator[Event]:
    """The events of a step being written: a wait for what was read, then as long for each piece of text."""
    pieces = sum(isinstance(event, TextWritten) for event in held)
    yield held[0]
    wait(prefill if pieces else whole)
    for event in held[1:]:
        if isinstance(event, TextWritten):
            wait((whole - prefill) / pieces)
        yield event
