"""Where replies with speculation diverge from those without, and how likely both models' choices were there.

    python -m benchmarks.ties FILE RESULTS [PAIR]

Of every problem of FILE whose replies differ in RESULTS, each model that could have parted writes the reply again, with
guesses and without; the first token that differs is printed with the probability each of the two had when chosen.
Batches may be cut otherwise than they were then, so what was a tie once need not be seen again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from benchmarks.lookahead import parting
from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.messages import Prompt, Sampling, Speculation, Token
from confspec_cli.core.trace import Author
from confspec_cli.evaluate.problems import load_problems
from confspec_cli.evaluate.results import read_results
from confspec_cli.evaluate.summary import TARGET, summarise
from confspec_cli.runtime.build_prompt import prompt_of
from confspec_cli.runtime.configure import build_config
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry
from confspec_cli.storage.jsonl_log import JsonlLog

_MOST = 512  # tokens


def _written(engine: Engine, prompt: Prompt, speculation: Speculation) -> list[Token]:
    engine.reset()
    return list(engine.generate(prompt, Sampling(speculation=speculation), _MOST))


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("results", type=Path)
    parser.add_argument("pair", nargs="?")
    given = parser.parse_args()
    summary = summarise(read_results(JsonlLog(given.results).lines(), str(given.results)))
    differing = {(row.mode, problem) for row in summary.rows for problem in row.other_texts or ()}
    resolved = resolve_pair(user_registry(), RunOptions(pair=given.pair))
    print("| mode | problem | model | where they diverge |\n|---|---|---|---|")
    with engines(resolved, local_files(resolved), HardwareOptions(), Interrupt()) as models:
        for problem in load_problems(given.file):
            config = build_config(resolved.pair, RunOptions(task=problem.task))
            prompt = prompt_of(problem.prompt, problem.system, models, (), config)
            for mode in sorted(mode for mode, one in differing if one == problem.id):
                guesser = Speculation(mode.partition("+")[2])
                for author in [Author.TARGET] if mode.startswith(TARGET) else list(Author):
                    plain, speculated = (_written(models[author], prompt, how) for how in (Speculation.OFF, guesser))
                    where = parting(plain, speculated) or "not seen again"
                    print(f"| {mode} | {problem.id} | {author.value} | {where} |", flush=True)


if __name__ == "__main__":
    main()
