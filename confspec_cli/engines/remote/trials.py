"""Tries a server out as it is opened: what it says it can do is believed only where it is seen to do it."""

from __future__ import annotations

from contextlib import closing

from confspec_cli.core.engine import Power
from confspec_cli.core.messages import Sampling
from confspec_cli.engines.remote.dialect import Dialect, ScoringDialect

_TEXT = "Two and two are four, and four and four are"
_WRITTEN = 4  # tokens
_NEAR = 0.1  # nats between two readings of the same text; rounding stays below it

_ALL_ZERO = (
    "The server reports every token after the first as certain, as it does with token-level speculation: "
    "use a gate that asks for verdicts (signal: verdict)."
)
_NO_AGREEMENT = (
    "The server scores the same text differently when it is read again, so its scores are not used: "
    "use a gate that asks for verdicts (signal: verdict)."
)


def tried(dialect: Dialect) -> tuple[frozenset[Power], tuple[str, ...]]:
    """The powers that are there, and a sentence for each that is not."""
    powers, missing = dialect.powers, dialect.missing
    tokens = dialect.vocabulary.tokenize(_TEXT, special=False)
    if Power.LOGPROBS in powers and not _says_how_likely(dialect, tokens):
        powers, missing = powers - {Power.LOGPROBS}, (*missing, _ALL_ZERO)
    if isinstance(dialect, ScoringDialect) and not _scores_alike(dialect, tokens):
        powers, missing = powers - {Power.SCORE}, (*missing, _NO_AGREEMENT)
    return powers, missing


def _says_how_likely(dialect: Dialect, tokens: list[int]) -> bool:
    with closing(dialect.complete(tokens, Sampling(), _WRITTEN)) as written:
        later = [token.logprob for token in written][1:]
    return not later or any(logprob != 0 for logprob in later)


def _scores_alike(dialect: ScoringDialect, tokens: list[int]) -> bool:
    dialect.forget()
    cold, warm = (dialect.score(tokens, 1, len(tokens), ())[0] for _ in range(2))
    pairs = list(zip(cold, warm, strict=True))
    return bool(pairs) and all(abs(one.logprob - other.logprob) < _NEAR for one, other in pairs)
