"""Do no harm, measured: what a draft that is always wrong costs, and what the controller takes from one always right.

    python -m benchmarks.harm FILE [PAIR] [--problems 10] [--tokens 512] [--doubtful]

Both drafts are the pair's own draft made to say what it is told, a decode for every token, so that they cost what it
costs. One says what the target would have said, and is sure of it; the other never does, and is just unsure enough to
be escalated, having written its step to the end. With `--doubtful` the target begins alone, as where calibration found
that drafting does not pay. Every problem is solved by the target alone, with the wrong draft, and
with the right draft, with and without the controller; by turns, one after the other, as `confspec batch` does it: the
controller knows what the problems before it taught.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Generator, Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Prompt, Sampling, Speculation, Token
from confspec_cli.core.policy import AdaptiveDrafting, adaptive_drafting
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author, Cause
from confspec_cli.engines.llamacpp.native import physical_cores
from confspec_cli.evaluate.problems import load_problems
from confspec_cli.evaluate.statistics import ratio_interval
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

_SURE, _UNSURE = math.log(0.99), math.log(0.5)
_GATE = Gate(Signal.LIKELIHOOD, accept=0.9, target=0.25)
_WORDS = 4


class Told:
    """A model that goes on with `text` where the reply stands in it or, not `rightly`, says what no answer does."""

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self.text, self.rightly = "", True

    def __getattr__(self, name: str) -> Any:
        """Everything else is the model's own."""
        return getattr(self._engine, name)

    def generate(self, prompt: Prompt, sampling: Sampling, max_tokens: int) -> Generator[Token, None, None]:
        """What it was told, a decode for every token."""
        said = "".join(prompt.reply)
        words = self.text[len(said) :] if self.rightly else _nonsense(len(said))
        vocab, sampler = self._engine._vocab, self._engine._sampler
        tokens = iter([*vocab.tokenize(words, special=False), min(vocab.ends)])
        sampler.start = lambda *_: lambda _: next(tokens)
        try:
            for token in self._engine.generate(prompt, sampling, max_tokens):
                yield replace(token, logprob=_SURE if self.rightly else _UNSURE)
        finally:
            del sampler.start


def _nonsense(seed: int) -> str:
    """A step as long as a usual one, never twice the same."""
    return "".join(f" and {number} and {number}" for number in range(seed, seed + _WORDS)) + "\n\n"


@dataclass(frozen=True, slots=True)
class Setup:
    """One way to solve a problem: with a draft that is right or wrong, and what the controller knows; None: alone."""

    name: str
    config: RunConfig
    rightly: bool = True
    drafting: AdaptiveDrafting | None = None


def setups_of(config: RunConfig, worth_drafting: bool) -> list[Setup]:
    """The four ways."""
    alone = replace(config, mode=Mode.TARGET)
    adaptive = replace(config, gate=replace(_GATE, worth_drafting=worth_drafting), adaptive=True)
    always = replace(config, gate=_GATE, adaptive=False)
    return [
        Setup("target alone", alone),
        Setup("always wrong", adaptive, False, adaptive_drafting(adaptive)),
        Setup("always right", adaptive, True, adaptive_drafting(adaptive)),
        Setup("always right, no controller", always),
    ]


def solve(setup: Setup, prompt: Prompt, models: Mapping[Author, Engine], text: str) -> tuple[float, str, int, int]:
    """Seconds from empty caches, the reply, and how many of its steps were drafted; `text` is the right one."""
    told = cast(Told, models[Author.DRAFT])
    told.text, told.rightly = text, setup.rightly
    for engine in models.values():
        engine.reset()
    causes, reply, began = list[Cause | None](), "", time.perf_counter()
    for event in ReasoningRun(prompt, models, setup.config, time.perf_counter, drafting=setup.drafting).events():
        if isinstance(event, StepCommitted):
            causes.append(event.step.cause)
        elif isinstance(event, RunFinished):
            reply = event.reply
    drafted = 0 if setup.config.mode is Mode.TARGET else len(causes) - causes.count(Cause.NOT_PAYING)
    return time.perf_counter() - began, reply, drafted, len(causes)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("pair", nargs="?")
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=512)
    parser.add_argument("--doubtful", action="store_true")
    given = parser.parse_args()
    options = RunOptions(pair=given.pair, max_tokens=given.tokens, speculate=Speculation.OFF)
    resolved = resolve_pair(user_registry(), options)
    config = build_config(resolved.pair, options)
    setups = setups_of(replace(config, asks=False), not given.doubtful)
    seconds: dict[str, list[float]] = {setup.name: [] for setup in setups}
    steps = {setup.name: [0, 0] for setup in setups}
    with engines(resolved, local_files(resolved), HardwareOptions(), Interrupt()) as loaded:
        models = {**loaded, Author.DRAFT: cast(Engine, Told(loaded[Author.DRAFT]))}
        for turn, problem in enumerate(load_problems(given.file)[: given.problems]):
            prompt = prompt_of(problem.prompt, problem.system, models, (), config)
            _, text, *_ = solve(setups[0], prompt, models, "")
            for setup in setups[turn % len(setups) :] + setups[: turn % len(setups)]:
                took, reply, drafted, of = solve(setup, prompt, models, text)
                if reply != text:
                    raise SystemExit(f"{problem.id}, {setup.name}: the reply is not the target's own")
                seconds[setup.name].append(took)
                steps[setup.name] = [steps[setup.name][0] + drafted, steps[setup.name][1] + of]
    print(
        f"{resolved.pair.name}, {given.problems} problems of {given.file}, {physical_cores()} threads; "
        "[95 % intervals]\n"
    )
    print("| draft | s/problem | speed over target alone | drafted steps |\n|---|--:|--:|--:|")
    for name, times in seconds.items():
        value, low, high = ratio_interval(seconds[setups[0].name], times)
        drafted, of = steps[name]
        print(f"| {name} | {sum(times) / len(times):.2f} | {value:.3f} [{low:.3f}, {high:.3f}] | {drafted}/{of} |")
    value, low, high = ratio_interval(seconds[setups[3].name], seconds[setups[2].name])
    print(f"\nalways right, with the controller over without: {value:.3f} [{low:.3f}, {high:.3f}]")


if __name__ == "__main__":
    main()
