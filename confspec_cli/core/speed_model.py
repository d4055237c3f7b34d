"""The closed form of the gain: how much faster an answer is with drafted steps than by the target alone.

In units of the time the target takes to write one token, with L the tokens the target alone writes for an answer:

    speed-up = L / (written + drafted / ratio + read * price)

Reading the prompt is left out, as whoever answers reads it. Pure arithmetic, so that saved runs can be held against it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AnswerWork:
    """The tokens of an answer, or their means over several answers.

    The draft writes `drafted` tokens, of which `wasted` are thrown away; the target reads `read` tokens to verify them
    and writes `written`. For the same problems the target alone writes `alone`.
    """

    drafted: float
    wasted: float
    read: float
    written: float
    alone: float

    def speedup(self, ratio: float, price: float) -> float:
        """The speed-up over the target alone.

        The cost ratio `ratio` is what a token costs the target to write over what one costs the draft; the reading
        price `price` is what a token costs the target to read over what it costs to write.
        """
        cost = self.written + self.drafted / ratio + self.read * price
        return self.alone / cost if cost else 1.0

    def lowest_ratio(self, price: float) -> float | None:
        """The cost ratio above which steps pay at this reading price; None where no ratio is high enough."""
        left = self.alone - self.written - self.read * price
        return self.drafted / left if left > 0 else None

    def highest_price(self, ratio: float) -> float | None:
        """The reading price below which steps pay at this cost ratio; None where even free reading is too dear."""
        left = self.alone - self.written - self.drafted / ratio
        return left / self.read if left > 0 and self.read else None


def with_draft_right(share: float, alone: float) -> AnswerWork:
    """The work where the target reads every drafted step and writes those again, `share` apart, that are wrong."""
    wasted = (1 - share) * alone
    return AnswerWork(drafted=alone, wasted=wasted, read=alone, written=wasted, alone=alone)
