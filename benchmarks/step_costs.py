"""What steps cost a pair wherever its models run, and the gain that the closed form gives for it.

    python -m benchmarks.step_costs PAIR [--rounds 10] [--context 200 1000] [--threads 1] [--server PID]

Both models write and the target reads a step, by turns, round after round; the best of each counts, as everything else
on the machine only adds to it. The target judges a step by its verdict, by its tokens' likelihoods, or by both in one.
On a machine that is shared, `--server` counts the processor time of this process and of a server on this machine, with
all its processes, instead of the time that passes; give both models one thread then, as waiting threads count too.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from confspec_cli.core import verify
from confspec_cli.core.engine import Engine, Interrupt, Power
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS, SYSTEM
from confspec_cli.core.speed_model import with_draft_right
from confspec_cli.core.trace import Author
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

Clock = Callable[[], float]
_WRITTEN = 8  # tokens a round
_RIGHT = (1.0, 0.8, 0.6)  # share of the drafted tokens that stand
_SENTENCE = "A bakery sells muffins for 3 dollars each and cookies for 2 dollars each, on every day of the week. "
_STEP = "So {} muffins cost 3 times {} dollars, and as many cookies cost 2 times {} dollars.\n\n"


def processor_time(group: int) -> float:
    """Seconds that this process and a group of processes have used."""
    ticks = 0
    for file in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has ended meanwhile
            _, _, in_group, *more = file.read_text().rpartition(")")[2].split()
            ticks += sum(map(int, more[8:10])) if int(in_group) == group else 0
    return time.process_time() + ticks / os.sysconf("SC_CLK_TCK")


def written(engine: Engine, prompt: Prompt, clock: Clock) -> float:
    """Seconds a token, the first one and what is read before it left out."""
    with closing(engine.generate(prompt, Sampling(), _WRITTEN + 1)) as tokens:
        next(tokens)
        began = clock()
        count = sum(1 for _ in tokens)
        return (clock() - began) / max(count, 1)


def ways(engine: Engine) -> Mapping[str, Callable[[Prompt, str], object]]:
    """How this target can judge a step."""
    question = QUESTIONS["correct"]
    found: dict[str, Callable[[Prompt, str], object]] = {
        "verdict": lambda prompt, step: verify.ask(engine, replace(prompt, reply=(*prompt.reply, step)), question)
    }
    if Power.SCORE in engine.powers:
        found["likelihood"] = engine.score
        found["both"] = lambda prompt, step: verify.read_and_ask(engine, prompt, step, False, question)
    return found


def measure(models: Mapping[Author, Engine], context: int, rounds: int, clock: Clock) -> tuple[dict[str, float], int]:
    """The best seconds of each kind of work after so many tokens of context, and the tokens of a step."""
    target, best = models[Author.TARGET], defaultdict[str, float](lambda: float("inf"))
    ask = Prompt((Message("system", SYSTEM), Message("user", "")))
    repeated = max(1, (context - target.count(ask)) // (target.count(_asked(ask, 1)) - target.count(ask)))
    prompt = _asked(ask, repeated)
    for n in range(1, rounds + 2):
        for author, engine in models.items():
            _keep(best, author.value, written(engine, replace(prompt, reply=("1\n2\n3\n",)), clock), n)
        for number, (name, judge) in enumerate(ways(target).items()):
            began = clock()
            judge(prompt, _step(100 * number + n))  # a step that nobody has read
            _keep(best, name, clock() - began, n)
    return best, target.count(replace(prompt, reply=(_step(1),))) - target.count(prompt)


def report(best: dict[str, float], context: int, tokens: int) -> str:
    """The costs, and beside each way of judging the gain where so much of what is drafted stands."""
    drafting, writing = best.pop("draft"), best.pop("target")
    ratio = writing / drafting
    lines = [
        f"about {context} tokens of context: draft {1000 * drafting:.1f} ms a token, target {1000 * writing:.1f} ms, "
        f"cost ratio {ratio:.1f}; a step has {tokens} tokens",
        "",
        f"| judged by | ms a step | reading price | {' | '.join(f'{share:.0%} stand' for share in _RIGHT)} |",
        f"|{'---|' * (3 + len(_RIGHT))}",
    ]
    for name, seconds in best.items():
        price = seconds / tokens / writing
        gains = " | ".join(f"{with_draft_right(share, 1.0).speedup(ratio, price):.2f}" for share in _RIGHT)
        lines.append(f"| {name} | {1000 * seconds:.0f} | {price:.3f} | {gains} |")
    return "\n".join(lines)


def _asked(prompt: Prompt, repeated: int) -> Prompt:
    return replace(prompt, messages=(prompt.messages[0], Message("user", _SENTENCE * repeated)))


def _step(number: int) -> str:
    return _STEP.format(number + 1000, number + 1000, number + 1000)


def _keep(best: dict[str, float], name: str, seconds: float, n: int) -> None:
    if n > 1:  # the first round warms up
        best[name] = min(best[name], seconds)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--context", type=int, nargs="+", default=[200, 1000])
    parser.add_argument("--threads", type=int)
    parser.add_argument("--server", type=int, metavar="PID")
    given = parser.parse_args()
    clock = partial(processor_time, given.server) if given.server else time.perf_counter
    hardware = HardwareOptions(context=2048, threads=given.threads)
    resolved = resolve_pair(user_registry(), RunOptions(pair=given.pair))
    with engines(resolved, local_files(resolved), hardware, Interrupt()) as models:
        for context in given.context:
            best, tokens = measure(models, context, given.rounds, clock)
            print(report(best, context, tokens), end="\n\n", flush=True)


if __name__ == "__main__":
    main()
