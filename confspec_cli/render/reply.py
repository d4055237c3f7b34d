"""The reply alone, for the next program in a pipe: each step the moment it is final, nothing that may be taken back."""

from __future__ import annotations

from typing import TextIO

from confspec_cli.events import Event, RunFinished, RunStarted, StepCommitted
from confspec_cli.render.console import clean, put

_OPENS, _CLOSES = "<think>", "</think>"


class ReplyText:
    """Writes what the models say after thinking, ended by exactly one newline; a reply of nothing is no line at all."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._begin(thinks=False)

    def handle(self, event: Event) -> None:
        """Write what an event makes final."""
        match event:
            case RunStarted(parameters=parameters):
                self._begin(thinks=bool(parameters.get("think")))
            case StepCommitted(step=step):
                self._say(step.text)
            case RunFinished(partial=partial):
                self._say(partial)
                self.close()

    def close(self) -> None:
        """End the line."""
        if self._within_line:
            put(self._stream, "\n")
        self._begin(thinks=False)

    def _begin(self, thinks: bool) -> None:
        self._thinks = thinks
        self._unread = ""  # the reply up to where its thinking ends
        self._said = False
        self._within_line = False
        self._newlines = 0  # said at the end, written only once more follows

    def _say(self, text: str) -> None:
        if not self._said:
            text = self._after_thinking(text).lstrip("\n")
        text = clean(text)
        body = text.rstrip("\n")
        newlines = len(text) - len(body)
        if body:
            put(self._stream, "\n" * self._newlines + body)
            self._said = self._within_line = True
            self._newlines = 0
        if newlines and self._within_line:
            put(self._stream, "\n")
            self._within_line = False
            newlines -= 1
        self._newlines += newlines if self._said else 0

    def _after_thinking(self, text: str) -> str:
        self._unread += text
        if not self._thinks and not self._unread.lstrip().startswith(_OPENS):
            return text
        _, closed, rest = self._unread.partition(_CLOSES)
        if closed:
            self._thinks, self._unread = False, ""
        return rest
