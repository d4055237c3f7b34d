"""The reply alone, for pipes: each step as soon as it is final, nothing that might be taken back."""

from __future__ import annotations

from typing import TextIO

from confspec_cli.core.events import Event, RunFinished, RunStarted, StepCommitted
from confspec_cli.core.thinking import Thought, reply_of, thought
from confspec_cli.render.console import put, width_of
from confspec_cli.render.word_wrap import WordWrap


class ReplyText:
    """Writes the reply after any thinking, ending in exactly one newline; an empty reply prints nothing.

    The reply is held back until the run is over where it cannot be told apart earlier: for an answer in a requested
    format, which follows the reasoning, and for a thinking model told not to think, which may still close a thought
    that nothing opened. `at_once` asks for the same. On a terminal its lines are broken between words.
    """

    def __init__(self, stream: TextIO, at_once: bool = False) -> None:
        self._stream = stream
        self._at_once = at_once
        self._begin(thinks=False)

    def handle(self, event: Event) -> None:
        """Write the text that this event makes final."""
        match event:
            case RunStarted(parameters=parameters, models=models):
                thinks = bool(parameters.get("think"))
                self._begin(thinks)
                may_think = any(card.thinks for card in models.values()) and not thinks
                self._waits = self._at_once or may_think or bool(parameters.get("form"))
            case StepCommitted(step=step) if not self._waits:
                self._say(step.text)
            case RunFinished(partial=partial, reply=reply):
                if self._waits:
                    self._thinks = False
                self._say(reply if self._waits else partial)
                self.close()

    def close(self) -> None:
        """End the line."""
        if self._within_line:
            self._put("\n")
        self._begin(thinks=False)

    def _begin(self, thinks: bool) -> None:
        self._thinks = thinks
        self._waits = False
        self._unread = ""  # the reply up to where its thinking ends
        self._said = False
        self._within_line = False
        self._newlines = 0  # said at the end, written only once more follows
        self._words = WordWrap()

    def _say(self, text: str) -> None:
        if not self._said:
            text = self._after_thinking(text).lstrip("\n")
        body = text.rstrip("\n")
        newlines = len(text) - len(body)
        if body:
            self._put("\n" * self._newlines + body)
            self._said = self._within_line = True
            self._newlines = 0
        if newlines and self._within_line:
            self._put("\n")
            self._within_line = False
            newlines -= 1
        self._newlines += newlines if self._said else 0

    def _put(self, text: str) -> None:
        width = width_of(self._stream)
        put(self._stream, self._words.wrapped(text, width) if width else text)

    def _after_thinking(self, text: str) -> str:
        self._unread += text
        if thought(self._unread, self._thinks) is Thought.OPEN:
            return ""
        said = reply_of(self._unread, self._thinks, may_think=False)
        self._thinks, self._unread = False, ""
        return said


class ResultText:
    """Writes only the last code block or the final answer of a reply."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def handle(self, event: Event) -> None:
        """Write it when the run is over."""
        if isinstance(event, RunFinished) and event.extract:
            put(self._stream, event.extract.rstrip("\n") + "\n")

    def close(self) -> None:
        """Nothing to tidy up."""
