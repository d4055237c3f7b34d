"""The dialect of vLLM: token ids through `/v1/completions`, scores and labels in one request.

A request for scores reads its whole prompt again, as vLLM's prefix cache keeps no log-probabilities.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from confspec_cli.core.engine import ALL_POWERS, Power
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.answers import Answers, logprob
from confspec_cli.engines.remote.connection import Connection, StatusError
from confspec_cli.engines.remote.dialect import RemoteToken

if TYPE_CHECKING:
    from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile

KIND = "vllm"
_PATH = "/v1/completions"


class Vllm:
    """A vLLM server, connected; `file` holds the vocabulary and the chat template of the model it serves."""

    powers = ALL_POWERS - {Power.CACHED_SCORE}
    missing: tuple[str, ...] = (
        "Scoring a step has it read the whole prompt again: verdicts (--signal verdict) cost less.",
    )

    def __init__(self, connection: Connection, model: str, file: VocabularyFile) -> None:
        self._connection = connection
        self._file = file
        enlarge = "start the server with a larger one: vllm serve --max-model-len ..."
        self._answers = Answers(connection, KIND, "vLLM", enlarge)
        self._salt = ""
        self.tokens_read = 0
        self.vocabulary = file.vocab
        self.served = self._answers.served(model, file)

    def ping(self) -> None:
        """Ask whether it is up."""
        self._connection.get("/v1/models")

    def forget(self) -> None:
        """Have the next call read its whole prompt afresh: a salt of its own sets it apart in the cache."""
        self._salt = uuid.uuid4().hex

    def complete(self, tokens: Sequence[int], sampling: Sampling, most: int) -> Generator[RemoteToken, None, None]:
        """What the model writes after `tokens`; see Dialect."""
        body = self._body(tokens, sampling, most) | {"logprobs": 1, "return_token_ids": True}
        with closing(self._answers.events(_PATH, body, self.served.context)) as events:
            for choice in (choice for event in events for choice in event.get("choices") or ()):
                token = None
                for token in self._read(choice):
                    yield token
                reason = choice.get("finish_reason")
                if reason == "stop" and not (token and token.ends):
                    yield RemoteToken((), math.nan, is_argmax=True, ends=True)
                if reason:
                    return
        raise faults.cut(self._connection.base)

    def next_probs(self, tokens: Sequence[int], wanted: Sequence[int]) -> Mapping[int, float]:
        """Probability of each wanted token as the next one; see Dialect."""
        return self.score(tokens, 0, 0, wanted)[1]

    def score(
        self, tokens: Sequence[int], start: int, stop: int, wanted: Sequence[int]
    ) -> tuple[list[RemoteToken], Mapping[int, float]]:
        """The tokens from `start` to `stop` as the model reads them, and the wanted ones after all; see Dialect."""
        body = self._body(tokens, Sampling(), 1)
        if wanted:
            body |= {"logprobs": len(wanted), "logprob_token_ids": list(wanted)}
        if stop > start:
            body |= {"prompt_logprobs": 0}
        try:
            answer = self._connection.post(_PATH, body)
            choice = answer["choices"][0]
            self.tokens_read = len(tokens) - _cached(answer.get("usage"))
            rows = choice.get("prompt_logprobs") or []
            scored = []
            for place in range(start, stop):
                row = rows[place][str(tokens[place])]
                scored.append(RemoteToken((tokens[place],), logprob(row["logprob"]), row["rank"] == 1))
            listed = _by_id(choice["logprobs"]["top_logprobs"][0]) if wanted else {}
        except StatusError as problem:
            raise self._answers.refusal(problem.body, self.served.context, problem) from problem
        except (LookupError, TypeError, ValueError) as problem:
            raise self._answers.nonsense() from problem
        if not listed.keys() >= set(wanted):
            raise self._answers.no_labels()
        return scored, {token: math.exp(listed[token]) for token in wanted}

    def tokenized(self, text: str) -> list[int]:
        """The tokens of a text as the server has them; marks in it are control tokens."""
        return self._answers.tokenized(self.served.model, text)

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()
        self._file.close()

    def _body(self, tokens: Sequence[int], sampling: Sampling, most: int) -> dict[str, Any]:
        """Every field of the sampling, as what is left out is filled in from the model's own configuration."""
        return {
            "model": self.served.model,
            "prompt": list(tokens),
            "max_tokens": most,
            "temperature": max(sampling.temperature, 0.0),
            "top_k": sampling.top_k,
            "top_p": sampling.top_p,
            "min_p": sampling.min_p,
            "seed": sampling.seed,
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            "stop_token_ids": sorted(self.vocabulary.ends),  # it does not stop at all of them by itself
            "skip_special_tokens": False,
            "return_tokens_as_token_ids": True,
            **({"cache_salt": self._salt} if self._salt else {}),
            **({"structured_outputs": {"grammar": sampling.grammar}} if sampling.grammar else {}),
        }

    def _read(self, choice: Mapping[str, Any]) -> list[RemoteToken]:
        try:
            ids, said = choice.get("token_ids") or [], choice.get("logprobs") or {}
            found = []
            for place, token in enumerate(ids):
                value, best = logprob(said["token_logprobs"][place]), max(said["top_logprobs"][place].values())
                found.append(RemoteToken((token,), value, value >= min(best, 0.0), token in self.vocabulary.ends))
        except (LookupError, TypeError, ValueError) as problem:
            raise self._answers.nonsense() from problem
        return found


def _cached(usage: Mapping[str, Any] | None) -> int:
    """How much of a prompt was in the cache; 0 where the server was not started so as to tell."""
    return ((usage or {}).get("prompt_tokens_details") or {}).get("cached_tokens") or 0


def _by_id(row: Mapping[str, float]) -> dict[int, float]:
    return {int(name.removeprefix("token_id:")): logprob(value) for name, value in row.items()}
