"""What a model on a paid server costs: its price, what it was used for, and the bill."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from confspec_cli.core.real import Real

_UNIT = 1_000_000  # tokens that a price is for


class Usage(NamedTuple):
    """Tokens that were sent to a server, prompts as often as they were sent, and tokens that it wrote.

    `cached` is the part of the input that it said it had in its cache.
    """

    input: int = 0
    output: int = 0
    cached: int = 0

    def plus(self, input: int, output: int, cached: int = 0) -> Usage:  # noqa: A002 - as every price list has it
        """With more of each."""
        return Usage(self.input + input, self.output + output, self.cached + cached)

    def less(self, earlier: Usage) -> Usage:
        """What has come since."""
        return Usage(self.input - earlier.input, self.output - earlier.output, self.cached - earlier.cached)


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens cost: of input, of output, and of input that the server had `cached`.

    Without a price of its own, cached input costs what other input does.
    """

    input: Real
    output: Real
    currency: str
    cached: Real | None = None

    def __post_init__(self) -> None:
        if min(self.input, self.output, self.cached or 0) < 0:
            raise ValueError("price: no token costs less than nothing")
        if not self.currency.isalpha():
            raise ValueError("price: the currency must be a word, like USD")

    def of(self, usage: Usage) -> float:
        """What so many tokens cost."""
        cached = self.input if self.cached is None else self.cached
        afresh = usage.input - usage.cached
        return (afresh * self.input + usage.cached * cached + usage.output * self.output) / _UNIT


@dataclass(frozen=True, slots=True)
class Bill:
    """What a run used of a model and what that cost, as far as our own count of the tokens tells.

    `cached` is the part of the input that the server said it had in its cache.
    """

    input: int
    output: int
    cost: float
    currency: str
    cached: int = 0


def billed(price: Price, usage: Usage) -> Bill:
    """The bill for so many tokens."""
    return Bill(usage.input, usage.output, price.of(usage), price.currency, usage.cached)
