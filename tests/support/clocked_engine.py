"""Scripted engines that take time by a clock of their own: what a run would take at costs nobody has a machine for."""

from dataclasses import dataclass, replace

from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Prompt
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import CARD, ScriptedEngine
from support.small_runs import PROMPT, config

_WORDS = 24  # of a step


@dataclass
class Clock:
    """Seconds that pass only when somebody works."""

    now: float = 0.0

    def __call__(self):
        return self.now


class ClockedEngine(ScriptedEngine):
    """A scripted engine for which a token takes `writing` seconds to write and `reading` seconds to read."""

    def costs(self, clock, writing, reading):
        self.clock, self.writing, self.reading = clock, writing, reading
        return self

    def generate(self, prompt, sampling, max_tokens):
        for token in super().generate(prompt, sampling, max_tokens):
            self.clock.now += self.writing
            yield token

    def _read(self, words):
        before = self.tokens_read
        ScriptedEngine._read(self, words)
        self.clock.now += (self.tokens_read - before) * self.reading


def reply(count, wrong=()):
    """Steps of equal length, no two alike; those whose number is in `wrong` say so."""
    return tuple(
        " ".join([f"step{n}", *("wrong" if n in wrong else "right" for _ in range(_WORDS - 2)), "end."]) + "\n\n"
        for n in range(count)
    )


def clocked_run(mode, count, wrong, ratio, price, prompt: Prompt = PROMPT, **changes):
    """The events of a run in which the target verifies every step, at these costs; the target's token takes 1 s."""
    clock = Clock()
    card = replace(CARD, context=1 << 20)
    models = {
        Author.DRAFT: ClockedEngine(reply(count, wrong), card=card).costs(clock, 1 / ratio, price / ratio),
        Author.TARGET: ClockedEngine(
            reply(count), likelihood=lambda word: -9.0 if "wrong" in word else -0.1, card=card
        ).costs(clock, 1.0, price),
    }
    gate = Gate(Signal.LIKELIHOOD, accept=1.0, target=0.1)
    values = {"adaptive": True, "asks": False, "max_tokens": 1 << 16, **changes}
    chosen = replace(config(Mode(mode)), gate=gate, **values)
    return list(ReasoningRun(prompt, models, chosen, clock).events())
