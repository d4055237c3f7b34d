"""What everything outside llama_decode costs, and whether that grows with the transcript.

    python -m benchmarks.overhead [PAIR] [--tokens 4000] [--mode confspec] [--speculate off]

Every step, of 40 tokens at most, is drafted and judged as the pair's gate has it, over one long reply, at temperature
1, with no turn ever closed and no repetition minded, so that it does get long. Overhead is the time of a step less that
spent inside llama_decode; it is given per step, as the mean over the first tenth of the tokens, over all of them, and
over the last tenth.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.core.messages import Speculation
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.transcript import Transcript
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

QUESTION = "Write a very long story of a journey around the world, in a hundred chapters. Do not stop early."
_TENTH, _STEP = 10, 40


@dataclass(frozen=True, slots=True)
class Passed:
    """A step: the tokens up to its end, the seconds it took, and of them those inside llama_decode."""

    tokens: int
    seconds: float
    decode: float

    @property
    def overhead(self) -> float:
        """Seconds outside llama_decode."""
        return self.seconds - self.decode


@contextmanager
def decoding_timed() -> Iterator[Callable[[], float]]:
    """While this holds, every llama_decode is timed; gives the seconds so far."""
    from confspec_cli.engines.llamacpp.native import lib  # noqa: PLC0415 - loads llama.cpp

    plain, seconds = lib.llama_decode, 0.0

    def timed(*arguments: Any) -> Any:
        nonlocal seconds
        began = time.perf_counter()
        try:
            return plain(*arguments)
        finally:
            seconds += time.perf_counter() - began

    lib.llama_decode = timed
    try:
        yield lambda: seconds
    finally:
        lib.llama_decode = plain


def never_ending(engine: Any) -> None:
    """Have an engine never choose to close its turn."""
    ends, start = sorted(engine._vocab.ends), engine._sampler.start

    def open_ended(*arguments: Any) -> Any:
        choose = start(*arguments)

        def chosen(logits: Any) -> int:
            logits[ends] = -1e9
            return int(choose(logits))

        return chosen

    engine._sampler.start = open_ended


@contextmanager
def repetition_not_minded() -> Iterator[None]:
    """While this holds a run is looked through for what it said before, and never found to have said it."""
    has_said = Transcript.has_said
    with patch.object(Transcript, "has_said", lambda transcript, text: has_said(transcript, text) and False):
        yield


def mean_overhead(steps: Sequence[Passed]) -> float:
    """Seconds a step."""
    return sum(step.overhead for step in steps) / len(steps)


def measure(pair: str | None, mode: Mode, tokens: int, speculation: Speculation) -> tuple[list[Passed], float, float]:
    """The steps of one long reply, the seconds of all of it, and of them those inside llama_decode."""
    options = RunOptions(
        pair=pair,
        mode=mode,
        max_tokens=tokens,
        max_step_tokens=_STEP,
        always_draft=mode is Mode.CONFSPEC,
        temperature=1.0,
        seed=1,
        speculate=speculation,
    )
    resolved = resolve_pair(user_registry(), options)
    config = build_config(resolved.pair, options)
    steps: list[Passed] = []
    written = 0
    with (
        engines(resolved, local_files(resolved), HardwareOptions(), Interrupt()) as models,
        decoding_timed() as decoded,
        repetition_not_minded(),
    ):
        for engine in models.values():
            never_ending(engine)
        prompt = prompt_of(QUESTION, None, models, (), config)
        start = before = time.perf_counter()
        inside = first = decoded()
        for event in ReasoningRun(prompt, models, config, time.perf_counter).events():
            if isinstance(event, StepCommitted):
                now, inside_now = time.perf_counter(), decoded()
                written += event.step.tokens
                steps.append(Passed(written, now - before, inside_now - inside))
                before, inside = now, inside_now
            elif isinstance(event, RunFinished):
                print(
                    f"{resolved.pair.name}, {mode.value}: {written} tokens, {len(steps)} steps, ended by {event.reason}"
                )
        return steps, time.perf_counter() - start, decoded() - first


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair", nargs="?")
    parser.add_argument("--tokens", type=int, default=4000)
    parser.add_argument("--mode", type=Mode, default=Mode.CONFSPEC, choices=list(Mode))
    parser.add_argument("--speculate", type=Speculation, default=Speculation.OFF, choices=list(Speculation))
    given = parser.parse_args()
    steps, seconds, inside = measure(given.pair, given.mode, given.tokens, given.speculate)
    whole = steps[-1].tokens
    early = [step for step in steps if step.tokens <= whole / _TENTH]
    late = [step for step in steps if step.tokens > whole - whole / _TENTH]
    for what, some in (("the first tenth", early), ("all of it", steps), ("the last tenth", late)):
        print(f"overhead a step, over {what}: {1000 * mean_overhead(some):.1f} ms, {len(some)} steps")
    print(f"all of it over the first tenth: {mean_overhead(steps) / mean_overhead(early):.2f}")
    print(f"inside llama_decode: {inside:.1f} of {seconds:.1f} s, {inside / seconds:.3f} of the time")


if __name__ == "__main__":
    main()
