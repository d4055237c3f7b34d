"""The Engine over chat completions, the one protocol that all OpenAI-compatible servers have: messages, no tokens.

Verdicts come from the likeliest first tokens of an answer. Writing on from a partial reply needs a server that
continues an assistant message: most do, and one that does not is refused. Token counts are estimates.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing, contextmanager
from typing import Any

from confspec_cli.core.engine import Engine, Interrupt, Power
from confspec_cli.core.messages import ModelCard, Prompt, Sampling, Token
from confspec_cli.core.price import Usage
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.connection import Connection
from confspec_cli.engines.remote.spec import short
from confspec_cli.errors import ContextFull, EngineError, Interrupted, ServerError

KIND = "openai"
_PATH = "/v1/chat/completions"
_CONTEXT = 8192  # tokens, where the server does not say
_CHARS_PER_TOKEN = 3  # on the safe side
_TOKENS_PER_CHAR = 0.25  # until the server has told how many it counts
_TOP = 20  # of the likeliest tokens: no server gives more
_NO_SCORE = "Chat completions cannot score a step the model did not write: use a gate that asks for verdicts."
_NO_GRAMMAR = "Chat completions take no grammar, so answers cannot be given a form."
_NO_LOGPROBS = "The server gives no log-probabilities, so the model can give no verdicts: use it in --mode target."
_COUNTING = [
    {"role": "user", "content": "Write the numbers from one to eight in words, separated by blanks, and nothing else."},
    {"role": "assistant", "content": "one two three four"},
]
_NEXT = "five"
_WAYS: tuple[dict[str, Any], ...] = ({}, {"add_generation_prompt": False, "continue_final_message": True})
"""How servers are told to continue the last message: some do so unasked."""


class ChatEngine:
    """One model behind an OpenAI-compatible server. Not for two threads at once."""

    verification_tokens = 0  # of requests that ask, only estimates could be told
    reading = (0, 0)  # a server does not say

    def __init__(self, connection: Connection, model: str, interrupt: Interrupt) -> None:
        self._connection = connection
        self.notices = connection.notices
        self._interrupt = interrupt
        self._stream: Generator[Mapping[str, Any], None, None] | None = None
        self.tokens_read = 0
        self.usage = Usage()
        self._tokens_per_char = _TOKENS_PER_CHAR
        self._model, context = _listed(connection, model)
        self._continuing, first = self._try_out()
        self.powers = frozenset({Power.LOGPROBS, Power.LABELS})
        self.missing: tuple[str, ...] = (_NO_SCORE, _NO_GRAMMAR)
        if not first.get("top_logprobs"):
            self.powers, self.missing = frozenset(), (*self.missing, _NO_LOGPROBS)
        server = f"{KIND} {connection.base}"
        self.card = ModelCard(short(self._model), "", 0, context, server=server, identity=short(self._model))

    def reset(self) -> None:
        """Let go of a reply; the server's cache is its own affair. See Engine."""
        self._let_go()

    def ping(self) -> None:
        """Exchange the smallest message with the server."""
        self._let_go()
        self._connection.get("/v1/models")

    def read(self, prompt: Prompt) -> None:
        """Check that the prompt may fit; see Engine."""
        self._begin(prompt)

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """Continue the open turn; see Engine."""
        self._begin(prompt)
        if sampling.grammar:
            raise EngineError(_NO_GRAMMAR)
        messages = _messages(prompt)
        body = self._body(messages, sampling.at(sum(len(one["content"]) for one in messages)), max_tokens)
        if messages[-1]["role"] == "assistant":
            body |= self._continuing
        self._stream = stream = self._choices(body)
        with closing(stream):
            for n, choice in enumerate(stream):
                if n == 0:
                    self._note_sent(messages)
                for token in self._tokens(choice):
                    self.usage = self.usage.plus(0, 1 if token.text else 0)
                    yield token
                if choice.get("finish_reason") == "stop":
                    yield Token("", math.nan, ends=True)

    def label_probs(self, prompt: Prompt, labels: tuple[str, ...]) -> Mapping[str, float]:
        """Probabilities of the labels as the first token of an answer, among the likeliest; see Engine."""
        self._begin(prompt)
        first = self._first_token(_messages(prompt))
        found = dict.fromkeys(labels, 0.0)
        with self._making_sense():
            for row in first.get("top_logprobs") or ():
                label = str(row["token"]).strip()
                if label in found:
                    found[label] += math.exp(min(float(row["logprob"]), 0.0))
        return found

    def score(self, prompt: Prompt, continuation: str, ends: bool = False) -> list[Token]:  # noqa: ARG002
        """Refuse; see Engine."""
        raise EngineError(_NO_SCORE)

    def judge(
        self,
        prompt: Prompt,  # noqa: ARG002
        continuation: str,  # noqa: ARG002
        ends: bool,  # noqa: ARG002
        labels: tuple[str, ...],  # noqa: ARG002
    ) -> tuple[list[Token], Mapping[str, float]]:
        """Refuse; see Engine."""
        raise EngineError(_NO_SCORE)

    def count(self, prompt: Prompt) -> int:
        """About how many tokens the prompt has."""
        messages = _messages(prompt)
        return sum(len(message["content"]) // _CHARS_PER_TOKEN + 5 for message in messages)

    def speculate_with(self, other: Engine | None) -> None:
        """Do nothing: a server speculates by itself, if it was started so."""

    def close(self) -> None:
        """Let go of the server; see Engine."""
        self._let_go()
        self._connection.close()

    def _begin(self, prompt: Prompt) -> None:
        self._let_go()
        if self._interrupt.is_set():
            raise Interrupted("Stopped.")
        count = self.count(prompt)
        if count > self.card.context:
            raise ContextFull(f"About {count} tokens do not fit in the context of {self.card.context}.")

    def _try_out(self) -> tuple[dict[str, Any], Mapping[str, Any]]:
        """How the server is told to continue a message, and what it says of the first token it writes then."""
        for way in _WAYS:
            body = self._body(_COUNTING, Sampling(), 4) | way
            try:
                choices = list(self._choices(body))
            except ServerError:
                if way:
                    continue  # it does not know these fields
                raise
            said = "".join(str((choice.get("delta") or {}).get("content") or "") for choice in choices)
            if said.lstrip(" ,").lower().startswith(_NEXT):
                return way, next(filter(None, map(_first, choices)), {})
        raise ServerError(
            f"{self._model} at {self._connection.base} cannot continue a reply, so it cannot rewrite a step.",
            "serve it with llama-server or vLLM",
        )

    def _first_token(self, messages: list[dict[str, str]]) -> Mapping[str, Any]:
        answer = self._connection.post(_PATH, self._body(messages, Sampling(), 1))
        with self._making_sense():
            first = _first(self._choice(answer) or {})
        self._note_sent(messages, answer.get("usage"))
        self.usage = self.usage.plus(0, 1)
        return first

    def _note_sent(self, messages: list[dict[str, str]], told: object = None) -> None:
        """Count what was sent: by the usage that the server `told`, or else by how many tokens such text has had."""
        chars = sum(len(message["content"]) for message in messages)
        if (tokens := _number(told, "prompt_tokens")) and chars:
            self._tokens_per_char = tokens / chars
        sent = round(chars * self._tokens_per_char)
        self.usage = self.usage.plus(sent, 0, min(_number(told, "prompt_tokens_details", "cached_tokens"), sent))

    def _body(self, messages: list[dict[str, str]], sampling: Sampling, most: int) -> dict[str, Any]:
        return {
            "model": self._model,
            "messages": messages,
            "max_tokens": most,
            "temperature": max(sampling.temperature, 0.0),
            "top_p": sampling.top_p if sampling.temperature > 0 else 1.0,
            "seed": sampling.seed % (1 << 31),
            "logprobs": True,
            "top_logprobs": _TOP,
        }

    def _choices(self, body: Mapping[str, Any]) -> Generator[Mapping[str, Any], None, None]:
        """The choice in each event of a stream, up to the one that finishes it."""
        with closing(self._connection.stream(_PATH, {**body, "stream": True})) as events:
            for event in events:
                choice = self._choice(event)
                if choice is not None:
                    yield choice
                if choice is not None and choice.get("finish_reason"):
                    return
        raise faults.cut(self._connection.base)

    def _choice(self, answer: Any) -> Mapping[str, Any] | None:
        """The choice in an answer or event; None in events that have none."""
        choices = answer.get("choices") if isinstance(answer, dict) else None
        if isinstance(answer, dict) and "error" in answer:
            raise ServerError(f"{self._connection.base} failed in the middle of its answer.", "look at its log")
        if choices == []:
            return None
        if not isinstance(choices, list) or not isinstance(choices[0], dict):
            raise faults.nonsense(self._connection.base, "something that is no chat completion")
        return choices[0]

    def _tokens(self, choice: Mapping[str, Any]) -> list[Token]:
        with self._making_sense():
            delta = choice.get("delta") or {}
            if delta.get("reasoning_content") or delta.get("reasoning"):
                raise ServerError(
                    f"{self._model} thinks before it answers, and chat completions cannot continue a thought.",
                    "switch its thinking off at the server, or serve it with llama-server or vLLM",
                )
            text = delta.get("content") or ""
            rows = (choice.get("logprobs") or {}).get("content") or []
            said = [Token(row["token"], min(float(row["logprob"]), 0.0), _is_best(row)) for row in rows]
            if "".join(token.text for token in said) == text:
                return said
        return [Token(text, said[-1].logprob if len(said) == 1 else math.nan)]  # half characters, or no logprobs

    @contextmanager
    def _making_sense(self) -> Iterator[None]:
        """What cannot be read in this context is no chat completion."""
        try:
            yield
        except (LookupError, TypeError, ValueError, AttributeError) as problem:
            raise faults.nonsense(self._connection.base, "something that is no chat completion") from problem

    def _let_go(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()


def _messages(prompt: Prompt) -> list[dict[str, str]]:
    messages = [{"role": message.role, "content": message.content} for message in prompt.messages]
    if said := "".join(prompt.reply):
        messages.append({"role": "assistant", "content": said})
    if prompt.ask:
        messages.append({"role": "user", "content": prompt.ask})
    return messages


def _number(told: object, *names: str) -> int:
    """The number of that name in an answer, names within names; 0 where there is none."""
    for name in names:
        told = told.get(name) if isinstance(told, dict) else None
    return max(told, 0) if type(told) is int else 0


def _first(choice: Mapping[str, Any]) -> Mapping[str, Any]:
    """What is said of the first token of an answer; empty where there are no log-probabilities."""
    rows = (choice.get("logprobs") or {}).get("content") or [{}]
    return rows[0] if isinstance(rows[0], dict) else {}


def _is_best(row: Mapping[str, Any]) -> bool:
    listed = row.get("top_logprobs") or [row]
    return float(row["logprob"]) >= max(float(one["logprob"]) for one in listed)


def _listed(connection: Connection, model: str) -> tuple[str, int]:
    """The model's name on the server, and its context in tokens."""
    found = connection.find("/v1/models")
    listed = found.get("data") if isinstance(found, dict) else None
    models = [one for one in listed or [] if isinstance(one, dict)]
    by_name = {str(one.get("id")): one for one in models}
    name = model or next(iter(by_name), "")
    if not name or (by_name and name not in by_name):
        raise ServerError(
            f"{connection.base} does not serve {name or 'any model'}.", f"one of: {', '.join(list(by_name)[:8]) or '-'}"
        )
    one = by_name.get(name, {})
    told = one.get("context_length") or one.get("max_model_len") or (one.get("meta") or {}).get("n_ctx")
    return name, told if type(told) is int and told > 0 else _CONTEXT
