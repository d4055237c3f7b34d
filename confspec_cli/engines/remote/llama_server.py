"""The dialect of llama-server: token ids through `/completion`. It cannot score a step; a verdict costs one request."""

from __future__ import annotations

import math
from collections.abc import Generator, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING, Any

from confspec_cli.core.engine import Power
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote import faults
from confspec_cli.engines.remote.connection import Connection
from confspec_cli.engines.remote.dialect import RemoteToken
from confspec_cli.engines.remote.server_vocabulary import Pieces, ServerVocabulary
from confspec_cli.engines.remote.spec import Served, short
from confspec_cli.engines.remote.token_server import TokenServer, checked
from confspec_cli.engines.vocabulary import Vocabulary
from confspec_cli.errors import EngineError, ServerError

if TYPE_CHECKING:  # it loads llama_cpp, which is not needed without a file
    from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile

KIND = "llama-server"
_PATH = "/completion"
_NO_SCORE = "llama-server cannot score a step it did not write: use a gate that asks for verdicts (signal: verdict)."
_ENOUGH = 100  # of the likeliest tokens: the other labels are among them, or cost a request each
_FORCE = 1000.0  # a logit bias that no other token stands against; reported probabilities are those without it

_UNTOLD = RemoteToken((), math.nan, is_argmax=True)


class LlamaServer(TokenServer):
    """A llama-server, connected. Without a `file` that holds the vocabulary of its model, it tokenizes all texts."""

    program = KIND
    enlarge = "llama-server -c ..."
    powers = frozenset({Power.LOGPROBS, Power.LABELS, Power.GRAMMAR})
    missing: tuple[str, ...] = (_NO_SCORE,)

    def __init__(self, connection: Connection, file: VocabularyFile | None = None) -> None:
        super().__init__(connection)
        self._file = file
        self._slot = -1  # the one that holds our prefix, once the server has chosen it
        self._is_fresh = True
        self.served = served(connection)
        self.vocabulary: Vocabulary = (
            file.vocab
            if file
            else ServerVocabulary(self._pieces, self._opening(), (connection.base, self.served.identity))
        )

    def ping(self) -> None:
        """Ask whether it is up."""
        self._connection.get("/health")

    def forget(self) -> None:
        """Have the next call read its whole prompt afresh."""
        self._is_fresh = True

    def complete(self, tokens: Sequence[int], sampling: Sampling, most: int) -> Generator[RemoteToken, None, None]:
        """What the model writes after `tokens`; see Dialect."""
        self._check_still_there()
        body = self._body(tokens, most) | _sampling(sampling) | {"n_probs": 1}
        held: RemoteToken | None = None
        written = 0
        with closing(self._events(_PATH, body)) as events:
            for event in events:
                token, written = self._read(event, written), event.get("tokens_predicted", written)
                if held and token:
                    yield held
                held = token or held
                if held and self._says(held):  # the end says nothing, but not only the end: the next event tells
                    yield held
                    held = None
                if event.get("stop") is True:
                    self._note(event)  # before the end is told, after which nobody may ask for more
                    if event.get("stop_type") == "eos":
                        yield (held or _UNTOLD)._replace(ends=True)
                    elif held:
                        yield held
                    return
        raise faults.cut(self._connection.base)

    def next_probs(self, tokens: Sequence[int], wanted: Sequence[int]) -> Mapping[int, float]:
        """Probability of each wanted token as the next one; see Dialect."""
        self._check_still_there()
        found: dict[int, float] = {}
        for token in wanted:
            if token not in found:
                found |= self._likeliest(tokens, token)
        return {token: math.exp(found[token]) for token in wanted}

    def close(self) -> None:
        """Let go of the server."""
        self._connection.close()
        if self._file:
            self._file.close()

    def tokenized(self, text: str) -> list[int]:
        """The tokens of a text as the server has them; marks in it are control tokens."""
        return [token for token, _ in self._pieces(text, True)]

    def _pieces(self, text: str, special: bool) -> Pieces:
        body = {"content": text, "add_special": False, "parse_special": special, "with_pieces": True}
        return self._tokenized(body)

    def _opening(self) -> list[int]:
        with_opening = self._tokenized({"content": "a", "add_special": True, "with_pieces": True})
        without = self._tokenized({"content": "a", "add_special": False, "with_pieces": True})
        return [token for token, _ in with_opening[: len(with_opening) - len(without)]]

    def _tokenized(self, body: Mapping[str, Any]) -> Pieces:
        with self._making_sense():
            return [
                (_id(one["id"]), _bytes(one["piece"])) for one in self._connection.post("/tokenize", body)["tokens"]
            ]

    def _likeliest(self, tokens: Sequence[int], wanted: int) -> dict[int, float]:
        """The log-probabilities of the likeliest next tokens, and of the wanted one, which the server must choose."""
        forced = {"n_probs": _ENOUGH, "logit_bias": [[wanted, _FORCE]]}
        body = self._body(tokens, 1) | _sampling(Sampling()) | forced
        answer = self._posted(_PATH, body)
        with self._making_sense():
            self._note(answer)
            first = answer["completion_probabilities"][0]
            rows = [first, *first["top_logprobs"]]
            return {_id(row["id"]): checked(row["logprob"]) for row in rows}

    def _body(self, tokens: Sequence[int], most: int) -> dict[str, Any]:
        fresh, self._is_fresh = self._is_fresh, False
        return {
            "prompt": list(tokens),
            "n_predict": most,
            "cache_prompt": not fresh,
            "id_slot": self._slot,
            "return_tokens": True,
        }

    def _read(self, event: Mapping[str, Any], before: int) -> RemoteToken | None:
        """The token of an event, when `before` were written; of one that is not said to the end, what is known."""
        with self._making_sense():
            rows = event.get("completion_probabilities", [])
            count = event["tokens_predicted"] - before
            if not rows:
                return _UNTOLD if count > 0 and event["stop_type"] != "eos" else None
            (row,) = rows
            token, piece, best = _id(row["id"]), bytes(row["bytes"]), row["top_logprobs"][0]["id"]
            ids: tuple[int, ...] = (token,)
            if count > 1:  # half characters are kept back until the character is whole
                ids = tuple(self.vocabulary.tokenize_reply(piece.decode("utf-8", "replace")))
            elif isinstance(self.vocabulary, ServerVocabulary):
                self.vocabulary.learn(token, piece)
            return RemoteToken(ids, checked(row["logprob"]), best == token)

    def _says(self, token: RemoteToken) -> bool:
        return any(self.vocabulary.piece(one) for one in token.ids)

    def _note(self, answer: Mapping[str, Any]) -> None:
        """What the end of an answer says: the slot that holds our prefix, and whose words these were."""
        slot = answer.get("id_slot")
        self._slot = slot if type(slot) is int else -1
        if answer.get("model") not in (None, self.served.model):
            raise other_model(self._connection.base, self.served.model, str(answer["model"]))

    def _check_still_there(self) -> None:
        """After the server was away: whether it is the same model that answers now."""
        if self._connection.was_lost:
            now = served(self._connection)
            if now.identity != self.served.identity:
                raise other_model(self._connection.base, self.served.model, now.model)
            self._connection.was_lost = False
            self._slot = -1

    def _refusal(self, body: bytes, problem: ServerError | None = None) -> EngineError:
        said = faults.said_in(body)
        if b"exceed_context_size" in body:
            return self._too_long()
        if "grammar" in said:
            return EngineError(f"The server cannot follow the grammar of the answer: {said}.")
        return super()._refusal(body, problem)


def other_model(base: str, before: str, now: str) -> ServerError:
    """The server serves another model than it did when it was opened."""
    shown = "".join(char for char in short(now) if char.isprintable())[:80]
    return ServerError(
        f"{base} serves another model now: {shown} instead of {short(before)}.", "start again, or serve the first one"
    )


def served(connection: Connection) -> Served:
    """What the server says of its model."""
    props = connection.get("/props")
    listed = connection.find("/v1/models")
    try:
        context = int(props["default_generation_settings"]["n_ctx"])
        meta = listed["data"][0].get("meta") or {} if listed else {}
        parts = [str(props.get("model_path", "")).rsplit("/", 1)[-1], str(props.get("model_ftype", ""))]
        parts += [
            f"{meta[name]} {unit}" for name, unit in (("n_params", "parameters"), ("size", "bytes")) if name in meta
        ]
        return Served(
            kind=KIND,
            model=str(props.get("model_alias") or parts[0]),
            context=context,
            identity=", ".join(part for part in parts if part),
            bytes=int(meta.get("size", 0)),
            quant=str(props.get("model_ftype", "")),
            template=str(props.get("chat_template", "")),
            bos=str(props.get("bos_token", "")),
            eos=str(props.get("eos_token", "")),
        )
    except (LookupError, TypeError, ValueError, AttributeError) as problem:
        raise faults.nonsense(connection.base, "something that llama-server does not answer") from problem


def _sampling(sampling: Sampling) -> dict[str, Any]:
    """Every field of it, as what is left out the server fills in as it likes."""
    return {
        "temperature": max(sampling.temperature, 0.0),
        "top_k": sampling.top_k,
        "top_p": sampling.top_p,
        "min_p": sampling.min_p,
        "seed": sampling.seed,
        "samplers": ["top_k", "top_p", "min_p", "temperature"],
        **({"grammar": sampling.grammar} if sampling.grammar else {}),
    }


def _id(value: object) -> int:
    if type(value) is not int or value < 0:
        raise ValueError(value)
    return value


def _bytes(piece: object) -> bytes:
    return piece.encode() if isinstance(piece, str) else bytes(piece)  # type: ignore[call-overload]  # a list of bytes, as JSON has it
