"""The final text of a run, as it becomes final: what is thought, what is answered, and where a stop string ends it."""

from __future__ import annotations

from collections.abc import Sequence

from confspec_cli.core.events import Event, RunFinished, RunStarted, StepCommitted, StepDropped, StepOpened, TextWritten
from confspec_cli.core.thinking import THINK_CLOSE, THINK_OPEN
from confspec_cli.core.trace import Cause


class FinalText:
    """The text that nobody will take back: what the target writes at once, a drafted step as soon as it stands."""

    def __init__(self) -> None:
        self._is_final = False
        self._kept = self._told = ""

    def add(self, event: Event) -> str:
        """The text that this event makes final."""
        match event:
            case StepDropped(kept=kept):
                self._kept = kept
            case StepOpened(provisional=provisional):
                self._is_final = not provisional
                return self._tell("" if provisional else self._kept)
            case TextWritten(text=text) if self._is_final:
                return self._tell(text)
            case StepCommitted(step=step):
                rest = step.text[len(self._told) :]
                self._told = self._kept = ""
                return rest
        return ""

    def _tell(self, text: str) -> str:
        self._told += text
        return text


class ThoughtSplitter:
    """Splits text into thought and answer, without the tags. `opened`: the prompt has opened a thought."""

    def __init__(self, opened: bool) -> None:
        self.is_thinking = opened
        self._may_open = True
        self._has_closed = False
        self._held = ""

    def add(self, text: str) -> tuple[str, str]:
        """What this adds to the thought, and to the answer."""
        text, self._held = self._held + text, ""
        thought = ""
        while True:
            if self.is_thinking:
                before, closed, text = text.partition(THINK_CLOSE)
                if not closed:
                    self._held = held_back(before, (THINK_CLOSE,))
                    return thought + before[: len(before) - len(self._held)], ""
                thought, self.is_thinking = thought + before, False
                self._may_open = self._has_closed = True
            if not self._may_open:
                return thought, text
            text = text.lstrip("\n") if self._has_closed else text
            bare = text.lstrip()
            if bare.startswith(THINK_OPEN):
                self.is_thinking, text = True, bare.removeprefix(THINK_OPEN)
            elif THINK_OPEN.startswith(bare):
                self._held = text
                return thought, ""
            else:
                self._may_open = False

    def end(self) -> str:
        """What was held back of a thought that did not end."""
        held, self._held = self._held, ""
        return held if self.is_thinking else ""


class StopStrings:
    """Lets text through up to the first stop string."""

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = stops
        self._held = ""
        self.is_reached = False

    def add(self, text: str, is_last: bool = False) -> str:
        """What may be said by now; what could be the beginning of a stop string is held back unless it is the last."""
        if self.is_reached:
            return ""
        text = self._held + text
        found = [where for stop in self._stops if (where := text.find(stop)) >= 0]
        if found:
            self.is_reached, self._held = True, ""
            return text[: min(found)]
        self._held = "" if is_last else held_back(text, self._stops)
        return text[: len(text) - len(self._held)]


def held_back(text: str, marks: Sequence[str]) -> str:
    """The longest end of a text that may be the beginning of a mark."""
    longest = min(max(map(len, marks), default=1) - 1, len(text))
    ends = (text[-size:] for size in range(longest, 0, -1))
    return next((end for end in ends if any(mark.startswith(end) for mark in marks)), "")


class ReplyParts:
    """A reply as a client sees it: its reasoning and its answer, as far as they are final.

    Where the answer has a form, what comes before it is the reasoning, and the answer comes whole. A thinking model
    told not to think may still close a thought that nothing opened, so its reply comes whole too.
    """

    def __init__(self, stops: Sequence[str] = ()) -> None:
        self._final = FinalText()
        self._splitter = ThoughtSplitter(opened=False)
        self._stops = StopStrings(stops)
        self._has_form = self._waits = False
        self._said = ""
        self._was_thinking = False
        self.reasoning_tokens = 0

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has ended the answer."""
        return self._stops.is_reached

    def add(self, event: Event) -> tuple[str, str]:
        """What this event adds to the reasoning, and to the answer."""
        if isinstance(event, RunStarted):
            thinks = bool(event.parameters.get("think"))
            self._splitter = ThoughtSplitter(thinks)
            self._was_thinking = thinks
            self._has_form = bool(event.parameters.get("form"))
            self._waits = not thinks and any(card.thinks for card in event.models.values())
            return "", ""
        if isinstance(event, RunFinished):
            return self._end(event)
        thought, answer = self._step(event)
        if isinstance(event, StepCommitted):
            is_answer = event.step.cause is Cause.FORM if self._has_form else not self._was_thinking
            self.reasoning_tokens += 0 if is_answer else event.step.tokens
            self._was_thinking = self._splitter.is_thinking
        return thought, self._say(answer)

    def _step(self, event: Event) -> tuple[str, str]:
        text = self._final.add(event)
        if self._has_form:
            if not isinstance(event, StepCommitted) or event.step.cause is Cause.FORM:
                return "", ""
            return "".join(self._splitter.add(event.step.text)), ""
        return ("", "") if self._waits else self._splitter.add(text)

    def _end(self, event: RunFinished) -> tuple[str, str]:
        rest = event.reply[len(self._said) :] if event.reply.startswith(self._said) else ""
        self._said += rest
        return self._splitter.end(), self._stops.add(rest, is_last=True)

    def _say(self, text: str) -> str:
        self._said += text
        return self._stops.add(text)
