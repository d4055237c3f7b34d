"""The dialect of SGLang: token ids through `/generate`; a step is scored in one request that uses the cached prefix."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import Any

from confspec_cli.core.engine import ALL_POWERS
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.dialect import RemoteToken
from confspec_cli.engines.remote.id_server import IdServer
from confspec_cli.engines.remote.token_server import checked
from confspec_cli.errors import ServerError

_PATH = "/generate"


class Sglang(IdServer):
    """An SGLang server, connected."""

    kind = "sglang"
    program = "SGLang"
    enlarge = "--context-length"
    spare = 1
    powers = ALL_POWERS
    missing: tuple[str, ...] = ()

    def complete(self, tokens: Sequence[int], sampling: Sampling, most: int) -> Generator[RemoteToken, None, None]:
        """What the model writes after `tokens`; see Dialect."""
        written = 0
        with closing(self._events(_PATH, self._body(tokens, sampling, most))) as events:
            for event in events:
                token = None
                with self._making_sense():
                    meta = event["meta_info"]
                    new = _written(meta, written)
                    reason = (meta.get("finish_reason") or {}).get("type")
                for one in new:
                    token = one._replace(ends=one.ids[0] in self.vocabulary.ends)
                    written += 1
                    yield token
                if reason == "abort":
                    raise ServerError(f"{self._connection.base} broke off the reply.", "look at the server's log")
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
            body["token_ids_logprob"] = list(wanted)
        if stop > start:
            body["logprob_start_len"] = start - 1
        answer = self._posted(_PATH, body)
        with self._making_sense():
            meta = answer["meta_info"]
            self.tokens_read = len(tokens) - int(meta.get("cached_tokens") or 0)
            scored = _scored(meta, tokens[start:stop])
            listed = {row[1]: checked(row[0]) for row in meta["output_token_ids_logprobs"][0]} if wanted else {}
        return scored, self._probabilities(listed, wanted)

    def _body(self, tokens: Sequence[int], sampling: Sampling, most: int) -> dict[str, Any]:
        """Every field of the sampling, as what is left out is filled in from the model's own configuration."""
        return {
            "input_ids": list(tokens),
            "sampling_params": {
                "max_new_tokens": most,
                "temperature": max(sampling.temperature, 0.0),
                "top_k": sampling.top_k if sampling.top_k > 0 else -1,
                "top_p": sampling.top_p,
                "min_p": sampling.min_p,
                "sampling_seed": sampling.seed,
                "repetition_penalty": 1.0,
                "presence_penalty": 0.0,
                "frequency_penalty": 0.0,
                "stop_token_ids": sorted(self.vocabulary.ends),
                "skip_special_tokens": False,
                "no_stop_trim": True,
                **({"ebnf": sampling.grammar} if sampling.grammar else {}),
            },
            "return_logprob": True,
            "top_logprobs_num": 1,
            **({"extra_key": self._salt} if self._salt else {}),
        }


def _written(meta: Mapping[str, Any], known: int) -> list[RemoteToken]:
    """The tokens of a reply after the `known` first ones; an event may list all of them or only the new ones."""
    rows, likeliest = meta["output_token_logprobs"], meta["output_top_logprobs"]
    count = meta["completion_tokens"] - known
    if not 0 <= count <= len(rows):
        raise ValueError("not as many log-probabilities as tokens")
    new = len(rows) - count
    return [_token(*both) for both in zip(rows[new:], likeliest[new:], strict=True)]


def _scored(meta: Mapping[str, Any], tokens: Sequence[int]) -> list[RemoteToken]:
    """The first tokens of those that were scored, which must be these; what precedes them is listed without a score."""
    if not tokens:
        return []
    _, *rows = meta["input_token_logprobs"]
    _, *likeliest = meta["input_top_logprobs"]
    scored = [_token(*both) for both in zip(rows, likeliest, strict=True)][: len(tokens)]
    if [token.ids for token in scored] != [(token,) for token in tokens]:
        raise ValueError("scores of other tokens")
    return scored


def _token(row: Sequence[Any], likeliest: Sequence[Sequence[Any]]) -> RemoteToken:
    """A token, from its log-probability and its id, and those of the likeliest one."""
    logprob = checked(row[0])
    return RemoteToken((int(row[1]),), logprob, logprob >= checked(likeliest[0][0]))
