"""The dialect of SGLang: token ids through `/generate`; a step is scored in one request that uses the cached prefix."""

from __future__ import annotations

import math
import uuid
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from confspec_cli.core.engine import ALL_POWERS
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.answers import Answers, logprob
from confspec_cli.engines.remote.connection import Connection, StatusError
from confspec_cli.engines.remote.dialect import RemoteToken
from confspec_cli.errors import ServerError

if TYPE_CHECKING:
    from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile

KIND = "sglang"
_PATH = "/generate"
_SPARE = 1  # prompt and reply together must be shorter than the context


class Sglang:
    """An SGLang server, connected; `file` holds the vocabulary and the chat template of the model it serves."""

    powers = ALL_POWERS
    missing: tuple[str, ...] = ()

    def __init__(self, connection: Connection, model: str, file: VocabularyFile) -> None:
        self._connection = connection
        self._file = file
        self._answers = Answers(connection, KIND, "SGLang", "start the server with a larger one: --context-length")
        self._salt = ""
        self.tokens_read = 0
        self.vocabulary = file.vocab
        self.served = self._answers.served(model, file, _SPARE)

    def ping(self) -> None:
        """Ask whether it is up."""
        self._connection.get("/v1/models")

    def forget(self) -> None:
        """Have the next call read its whole prompt afresh: a key of its own sets it apart in the cache."""
        self._salt = uuid.uuid4().hex

    def complete(self, tokens: Sequence[int], sampling: Sampling, most: int) -> Generator[RemoteToken, None, None]:
        """What the model writes after `tokens`; see Dialect."""
        written = 0
        body = self._body(tokens, sampling, most)
        with closing(self._answers.events(_PATH, body, self.served.context)) as events:
            for event in events:
                meta, token = event.get("meta_info") or {}, None
                for token in self._new(meta, written):
                    written += 1
                    yield token
                reason = (meta.get("finish_reason") or {}).get("type")
                if reason == "abort":
                    raise ServerError(f"{self._connection.base} broke off the reply.", "look at the server's log")
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
            body["token_ids_logprob"] = list(wanted)
        if stop > start:
            body["logprob_start_len"] = start - 1
        try:
            meta = self._connection.post(_PATH, body)["meta_info"]
            self.tokens_read = len(tokens) - int(meta.get("cached_tokens") or 0)
            scored = _scored(meta, tokens[start:stop])
            listed = {row[1]: logprob(row[0]) for row in meta["output_token_ids_logprobs"][0]} if wanted else {}
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

    def _new(self, meta: Mapping[str, Any], known: int) -> list[RemoteToken]:
        """The tokens of a reply after the `known` first ones; an event may have all of them or only the new ones."""
        try:
            count = meta["completion_tokens"] - known
            rows = [meta[name][len(meta[name]) - count :] for name in ("output_token_logprobs", "output_top_logprobs")]
            found = [_token(*both) for both in zip(*rows, range(count), strict=True)]
        except (LookupError, TypeError, ValueError) as problem:
            raise self._answers.nonsense() from problem
        return [token._replace(ends=token.ids[0] in self.vocabulary.ends) for token in found]


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


def _token(row: Sequence[Any], likeliest: Sequence[Sequence[Any]], _: int = 0) -> RemoteToken:
    """A token, from its log-probability and its id, and those of the likeliest one."""
    value = logprob(row[0])
    return RemoteToken((int(row[1]),), value, value >= logprob(likeliest[0][0]))
