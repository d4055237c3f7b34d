"""Where replies with guesses part from those without, and how likely both models' choices were there.

    python -m confspec_cli.bench.ties FILE RESULTS [PAIR]

Of every problem of FILE whose replies differ in RESULTS, each model that could have parted writes the reply again, with
guesses and without; the first token that differs is printed with the probability each of the two had when chosen.
Batches may be cut otherwise than they were then, so what was a tie once need not be seen again.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from confspec_cli.bench.lookahead import parting
from confspec_cli.bench.problems import load_problems
from confspec_cli.bench.records import read_results
from confspec_cli.bench.summary import TARGET, summarise
from confspec_cli.commands._loading import engines
from confspec_cli.commands._options import GateOptions, HardwareOptions, ModelOptions, SamplingOptions, WorkOptions
from confspec_cli.commands._prompt import prompt_of
from confspec_cli.commands._wiring import cast, files, rules_of
from confspec_cli.engines.base import Engine, Interrupt, Prompt, Sampling, Speculation, Token
from confspec_cli.journal import Journal
from confspec_cli.rules import Mode
from confspec_cli.trace import Author

_MOST = 512  # tokens


def _written(engine: Engine, prompt: Prompt, who: Speculation) -> list[Token]:
    engine.forget()
    return list(engine.generate(prompt, Sampling(speculation=who), _MOST))


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("results", type=Path)
    parser.add_argument("pair", nargs="?")
    given = parser.parse_args()
    summary = summarise(read_results(Journal(given.results).lines(), str(given.results)))
    differing = {(row.mode, problem) for row in summary.rows for problem in row.other_texts or ()}
    who = cast(ModelOptions(pair=given.pair))
    print("| mode | problem | model | where they part |\n|---|---|---|---|")
    with engines(who, files(who, yes=False), HardwareOptions(), Interrupt()) as models:
        for problem in load_problems(given.file):
            rules = rules_of(who, Mode.CONFSPEC, GateOptions(), SamplingOptions(), WorkOptions(problem.task))
            prompt = prompt_of(problem.prompt, problem.system, models, (), rules)
            for mode in sorted(mode for mode, one in differing if one == problem.id):
                guesser = Speculation(mode.partition("+")[2])
                for author in [Author.TARGET] if mode.startswith(TARGET) else list(Author):
                    plain, guessed = (_written(models[author], prompt, how) for how in (Speculation.OFF, guesser))
                    where = parting(plain, guessed) or "not seen again"
                    print(f"| {mode} | {problem.id} | {author.value} | {where} |", flush=True)


if __name__ == "__main__":
    main()
