"""What the way to a target on a server costs: the speed-up over that target alone, by the delay of every answer.

    python -m benchmarks.latency [--delays 0 5 50 200] [--replies 2]

A draft that runs here and a target behind a scripted vLLM in a process of its own take their time by sleeping, the
target five times as long for a step. Of eight steps two are accepted unasked, four escalated and kept (as is the end
of the reply), two escalated and rewritten. The target alone writes its reply in one stream, as it would for any
client. The limit is what the same steps would give were nothing sent.
"""

from __future__ import annotations

import argparse
import math
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Message, ModelCard, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.stats import RunStats, fold
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec, open_remote
from confspec_cli.engines.scripted import ScriptedEngine

_TESTS = Path(__file__).parents[1] / "tests"
_SERVER = """
import sys
from pathlib import Path
from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile
from support.scripted_server import ScriptedServer
from support.tiny_gguf import write
file, writes, pace, latency = sys.argv[1:]
write(Path(file), "llama")
server = ScriptedServer("vllm", writes, pace=float(pace), latency=float(latency), context=8192, doubts="wrong")
server.vocab = VocabularyFile(Path(file)).vocab
with server:
    print(server.url, flush=True)
    sys.stdin.read()
"""
_WRONG, _SURE = (2, 5), (0, 4)
STEPS = tuple(f"Step {number} says what a step of an answer would say.\n\n" for number in range(8))
DRAFTED = tuple(step.replace("would say", "says wrong") if n in _WRONG else step for n, step in enumerate(STEPS))
_STEP = 0.5  # seconds the target takes for a step
_RATIO = 5
_TOKENS = 28  # of a step, as the target's vocabulary has it
_WORDS = 11  # of a step, each a token of the draft's
PROMPT = Prompt((Message("user", "What does a step say?"),))
_ALONE = _STEP * len(STEPS)
_WORK = _ALONE / _RATIO + _STEP * len(_WRONG)
"""Seconds of an answer that the models take: the draft for every step, the target for those it writes."""


@contextmanager
def target(delay: float, folder: str) -> Iterator[Engine]:
    """The target on a server that answers so many seconds later."""
    file = Path(folder) / "vocabulary.gguf"
    argv = [sys.executable, "-c", _SERVER, str(file), "".join(STEPS), str(_STEP / _TOKENS), str(delay)]
    env = {**os.environ, "PYTHONPATH": os.pathsep.join([str(_TESTS), *filter(None, sys.path)])}
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=env) as child:
        assert child.stdout
        spec = RemoteSpec(child.stdout.readline().strip(), tokenizer=str(file))
        engine = open_remote(spec, Interrupt(), os.environ)
        try:
            yield engine
        finally:
            engine.close()


def draft() -> Engine:
    """A draft that runs here, sure of some steps and wrong in others."""
    sure = [STEPS[n] for n in _SURE]

    def slow(_: str) -> float:
        time.sleep(_STEP / _RATIO / _WORDS)
        return math.log(0.9)

    def labels(text: str) -> Mapping[str, float]:
        return {"Yes": 0.99, "No": 0.01} if text in sure else {"Yes": 0.6, "No": 0.4}

    return ScriptedEngine(DRAFTED, labels, slow, ModelCard("draft", "", 0, 8192))


def alone(model: Engine) -> float:
    """Seconds of the target's own reply."""
    began = time.perf_counter()
    for _ in model.generate(PROMPT, Sampling(), 4000):
        pass
    return time.perf_counter() - began


def together(models: Mapping[Author, Engine]) -> tuple[float, RunStats]:
    """Seconds of the pair's reply, and what happened in it."""
    gate = Gate(Signal.VERDICT, accept=0.95, target=0.5)
    config = RunConfig(Mode.CONFSPEC, gate, QUESTIONS["correct"], Sampling(), 4000, 100, 20, adaptive=False)
    began = time.perf_counter()
    stats = fold(ReasoningRun(PROMPT, models, config, time.perf_counter).events())
    return time.perf_counter() - began, stats


def row(delay: float, replies: int, folder: str) -> str:
    """A row of the table, at so many milliseconds of delay."""
    with target(delay / 1e3, folder) as there:
        models = {Author.DRAFT: draft(), Author.TARGET: there}
        together(models)
        single = min(alone(there) for _ in range(replies))
        seconds, stats = min((together(models) for _ in range(replies)), key=lambda one: one[0])
    asked, limit = stats.accepted_by_target.whole, _ALONE / _WORK
    return (
        f"| {delay:g} ms | {single:.2f} | {seconds:.2f} | {single / seconds:.2f} | {single / seconds / limit:.0%} | "
        f"{1 - _WORK / seconds:.0%} | {asked} + {len(_WRONG)} |"
    )


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--delays", type=float, nargs="+", default=[0, 5, 50, 200])
    parser.add_argument("--replies", type=int, default=2)
    given = parser.parse_args()
    print(f"the limit of the speed-up, were nothing sent: {_ALONE / _WORK:.2f}\n")
    print("| delay | target alone, s | with the draft, s | speed-up | of the limit | time outside | requests |")
    print("|---|--:|--:|--:|--:|--:|--:|")
    with tempfile.TemporaryDirectory() as folder:
        for delay in given.delays:
            print(row(delay, given.replies, folder), flush=True)


if __name__ == "__main__":
    main()
