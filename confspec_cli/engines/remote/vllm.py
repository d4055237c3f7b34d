"""The dialect of vLLM: token ids through `/v1/completions`, scores and labels in one request.

A request for scores reads its whole prompt again, as vLLM's prefix cache keeps no log-probabilities.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from confspec_cli.core.engine import ALL_POWERS, Power
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.dialect import RemoteToken
from confspec_cli.engines.remote.id_server import IdServer
from confspec_cli.engines.remote.token_server import checked

_PATH = "/v1/completions"


class Vllm(IdServer):
    """A vLLM server, connected."""

    kind = "vllm"
    program = "vLLM"
    enlarge = "vllm serve --max-model-len ..."
    powers = ALL_POWERS - {Power.CACHED_SCORE}
    missing: tuple[str, ...] = (
        "Scoring a step has it read the whole prompt again: verdicts (--signal verdict) cost less.",
    )

    def complete(self, tokens: Sequence[int], sampling: Sampling, most: int) -> Generator[RemoteToken, None, None]:
        """What the model writes after `tokens`; see Dialect."""
        body = self._body(tokens, sampling, most) | {"logprobs": 1, "return_token_ids": True}
        with closing(self._events(_PATH, body)) as events:
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

    def score(
        self, tokens: Sequence[int], start: int, stop: int, wanted: Sequence[int]
    ) -> tuple[list[RemoteToken], Mapping[int, float]]:
        """The tokens from `start` to `stop` as the model reads them, and the wanted ones after all; see Dialect."""
        body = self._body(tokens, Sampling(), 1)
        if wanted:
            body |= {"logprobs": len(wanted), "logprob_token_ids": list(wanted)}
        if stop > start:
            body |= {"prompt_logprobs": 0}
        answer = self._posted(_PATH, body)
        with self._making_sense():
            choice = answer["choices"][0]
            self.tokens_read = len(tokens) - _cached(answer.get("usage"))
            rows = choice.get("prompt_logprobs") or []
            scored = []
            for place in range(start, stop):
                row = rows[place][str(tokens[place])]
                scored.append(RemoteToken((tokens[place],), checked(row["logprob"]), row["rank"] == 1))
            listed = _by_id(choice["logprobs"]["top_logprobs"][0]) if wanted else {}
        return scored, self._probabilities(listed, wanted)

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
        found = []
        with self._making_sense():
            ids, said = choice.get("token_ids") or [], choice.get("logprobs") or {}
            for place, token in enumerate(ids):
                value, best = checked(said["token_logprobs"][place]), max(said["top_logprobs"][place].values())
                found.append(RemoteToken((token,), value, value >= min(best, 0.0), token in self.vocabulary.ends))
        return found


def _cached(usage: Mapping[str, Any] | None) -> int:
    """How much of a prompt was in the cache; 0 where the server was not started so as to tell."""
    return ((usage or {}).get("prompt_tokens_details") or {}).get("cached_tokens") or 0


def _by_id(row: Mapping[str, float]) -> dict[int, float]:
    return {int(name.removeprefix("token_id:")): checked(value) for name, value in row.items()}
