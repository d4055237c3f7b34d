"""A run as chat completions: one object, or chunk by chunk; each step and its confidence in the field `confspec`."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Iterator
from typing import Any, cast

from confspec_cli.core.events import Event, RunFinished, StepCommitted, StepWritten, Warned, to_dict
from confspec_cli.core.stats import RunStats
from confspec_cli.core.trace import Author, FinishReason
from confspec_cli.serve.slot import Job
from confspec_cli.serve.text_parts import ReplyParts

_LEAST = -9999.0
_SHOWN = StepCommitted | Warned | RunFinished
"""The events that every stream carries; the others are asked for."""


def record(event: Event) -> dict[str, Any]:
    """The event as `--format jsonl` has it, but for infinities, which are no JSON: -9999, as OpenAI writes them."""
    plain = to_dict(event)
    try:
        json.dumps(plain, allow_nan=False)
    except ValueError:
        return cast("dict[str, Any]", json.loads(json.dumps(plain), parse_constant=lambda _: _LEAST))
    return plain


class Completion:
    """Folds the events of one run."""

    def __init__(self, job: Job) -> None:
        self._job = job
        self._parts = ReplyParts(job.chat.stop)
        self._has_role = False
        self._first_read: int | None = None  # tokens that were prefilled before the first one was written
        self._reasoning: list[str] = []
        self._answer: list[str] = []
        self._steps: list[dict[str, Any]] = []
        self._warnings: list[str] = []
        self._finished: RunFinished | None = None
        self._head = {
            "id": f"chatcmpl-{secrets.token_hex(12)}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": job.chat.model,
        }
        self.stats = RunStats()

    @property
    def is_stopped(self) -> bool:
        """Whether a stop string has ended the answer, so that the run need not go on."""
        return self._parts.is_stopped

    @property
    def outcome(self) -> str:
        """What became of the run, in one word."""
        reason = self._finished.reason.value if self._finished else "failed"
        return "stop" if self.is_stopped else reason

    def add(self, event: Event) -> tuple[str, str]:
        """Take in an event; what it adds to the reasoning, and to the answer."""
        self.stats.add(event)
        match event:
            case StepWritten(written_step=written) if self._first_read is None:
                self._first_read = written.prefill_tokens
            case StepCommitted():
                self._steps.append(record(event)["step"])
            case Warned(message=message):
                self._warnings.append(message)
            case RunFinished():
                self._finished = event
        return self._parts.add(event)

    def keep(self, event: Event) -> None:
        """Take in an event for the whole object."""
        reasoning, answer = self.add(event)
        self._reasoning.append(reasoning)
        self._answer.append(answer)

    def whole(self) -> dict[str, Any]:
        """The completion as one object, once the run is over."""
        assert self._finished
        message = {"role": "assistant", "content": "".join(self._answer), "refusal": None}
        if reasoning := "".join(self._reasoning):
            message["reasoning_content"] = reasoning
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self._finish_reason()}
        own = {
            "finish_reason": self._finished.reason.value,
            "answer": self._finished.answer,
            "extract": self._finished.extract,
            "steps": self._steps,
            "stats": self.stats.to_dict(),
            "warnings": self._warnings,
        }
        return {**self._head, "choices": [choice], "usage": self.usage(), "confspec": own}

    def chunks(self, event: Event) -> Iterator[dict[str, Any]]:
        """What a stream says of an event."""
        reasoning, answer = self.add(event)
        delta = {name: text for name, text in (("reasoning_content", reasoning), ("content", answer)) if text}
        if not self._has_role:
            self._has_role = True
            delta = {"role": "assistant", "content": "", **delta}
        shown = {"events": [record(event)]} if self._job.chat.shows_events or isinstance(event, _SHOWN) else None
        is_last = isinstance(event, RunFinished)
        if delta or shown or is_last:
            yield self._chunk(delta, None, shown)
        if is_last:
            yield self._chunk({}, self._finish_reason(), None)
            if self._job.chat.includes_usage:
                yield {**self._chunk({}, None, None), "choices": [], "usage": self.usage()}

    def usage(self) -> dict[str, Any]:
        """The tokens: of the prompt by the last model's count, of the answer each by its author's.

        Drafted tokens that stand are `accepted_prediction_tokens`, those that were thrown away the rejected ones; only
        the accepted ones are part of `completion_tokens`.
        """
        prompt, written = self._job.prompt_tokens, self.stats.total_tokens
        cached = 0 if self._first_read is None else max(prompt - self._first_read, 0)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": written,
            "total_tokens": prompt + written,
            "prompt_tokens_details": {"cached_tokens": cached, "audio_tokens": 0},
            "completion_tokens_details": {
                "reasoning_tokens": self._parts.reasoning_tokens,
                "accepted_prediction_tokens": self.stats.tokens[Author.DRAFT],
                "rejected_prediction_tokens": self.stats.wasted_tokens,
                "audio_tokens": 0,
            },
        }

    def _finish_reason(self) -> str:
        """`length` for every answer that is not complete; the exact reason is in `confspec`."""
        return "stop" if self.outcome == FinishReason.STOP.value else "length"

    def _chunk(self, delta: dict[str, str], reason: str | None, own: dict[str, Any] | None) -> dict[str, Any]:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": reason}
        chunk = {**self._head, "object": "chat.completion.chunk", "choices": [choice]}
        return chunk if own is None else {**chunk, "confspec": own}
