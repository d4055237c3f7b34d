"""Which signal knows a wrong step? Measured on a pair's own steps, for `docs/verification.md`.

    python -m benchmarks.verification PAIR PROBLEMS.jsonl RECORDS.jsonl [--problems N]

Each problem is solved by the target alone. Then the draft writes step after step; after each, the target finishes the
chain from there, and the step is *right* when the target's own final answer survives it. A wrong step is recorded, and
the chain goes on with the target's step in its place. Both models are asked every question of prompts.py about each
step. Records are appended a step a line; a second call goes on where the first stopped; the table is printed last.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from confspec_cli.core import verify
from confspec_cli.core.engine import Engine, Interrupt
from confspec_cli.core.events import RunFinished
from confspec_cli.core.gate import Gate
from confspec_cli.core.grading import final_answer
from confspec_cli.core.messages import Message, Prompt, Sampling, Token
from confspec_cli.core.prompts import QUESTIONS, RATING, SYSTEM
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.steps import Splitter
from confspec_cli.core.trace import Author, Likelihood
from confspec_cli.evaluate.grader import is_same_value
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

Record = dict[str, Any]
_BUDGET, _STEP_TOKENS, _STEP_CHARS, _MOST_STEPS = 400, 160, 48, 12


def judge_chain(problem: Record, models: Mapping[Author, Engine]) -> Iterator[Record]:
    """One record per drafted step of one problem; a last one closes the problem."""
    draft, target = models[Author.DRAFT], models[Author.TARGET]
    prompt = Prompt((Message("system", SYSTEM), Message("user", problem["question"])))
    alone = _finish(prompt, target)
    if alone is None:
        yield {"problem": problem["id"], "done": True, "skipped": "the target gives no answer"}
        return
    solved = is_same_value(alone, problem["answer"])
    for n in range(1, _MOST_STEPS + 1):
        text, ended, written = _step(prompt, draft)
        read = target.score(prompt, text, ended)
        extended = replace(prompt, reply=(*prompt.reply, text))
        signals = {
            f"{author.value} asked: {name}": verify.ask(models[author], extended, question).p
            for author in Author
            for name, question in {**QUESTIONS, "rating": RATING}.items()
        }
        for author, tokens in ((Author.DRAFT, written), (Author.TARGET, read)):
            if likelihood := Likelihood.of([token.logprob for token in tokens], 0):
                signals[f"{author.value} lowest token"] = likelihood.lowest_p
                signals[f"{author.value} mean log-likelihood"] = likelihood.mean
        final = final_answer("".join(extended.reply)) if ended else _finish(extended, target)
        right = final is not None and is_same_value(final, alone)
        yield {
            "problem": problem["id"], "n": n, "text": text, "solved": solved, "right": right, "signals": signals
        }  # fmt: skip
        if right:
            prompt = extended
        else:
            text, ended, _ = _step(prompt, target)
            prompt = replace(prompt, reply=(*prompt.reply, text))
        if ended:
            break
    yield {"problem": problem["id"], "done": True}


def auroc(right: list[float], wrong: list[float]) -> float:
    """Probability that a right step has the higher signal, ties counted half; 0.5 is no information."""
    pairs = len(right) * len(wrong)
    wins = sum((a > b) + (a == b) / 2 for a in right for b in wrong)
    return wins / pairs if pairs else float("nan")


def table(records: list[Record]) -> str:
    """The Markdown table: a row per signal, best first."""
    by_signal: dict[str, tuple[list[float], list[float]]] = defaultdict(lambda: ([], []))
    for record in records:
        for name, value in record["signals"].items():
            by_signal[name][not record["right"]].append(value)
    rows = sorted(((auroc(*sides), name, *sides) for name, sides in by_signal.items()), reverse=True)
    lines = ["| signal | AUROC | mean when right | mean when wrong |", "|---|---|---|---|"]
    for area, name, right, wrong in rows:
        lines.append(f"| {name} | {area:.2f} | {_mean(right):.2f} | {_mean(wrong):.2f} |")
    return "\n".join(lines)


def stands(records: list[Record], signal: str) -> str:
    """What a threshold on one signal lets through: a row per threshold."""
    lines = [f"| {signal} at least | steps accepted | of these right |", "|---|---|---|"]
    for threshold in (0.01, 0.02, 0.05, 0.1, 0.135, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9):
        through = [record["right"] for record in records if record["signals"][signal] >= threshold]
        share = f"{sum(through)} ({100 * sum(through) / len(through):.0f} %)" if through else "-"
        lines.append(f"| {threshold} | {len(through)} of {len(records)} | {share} |")
    return "\n".join(lines)


def _step(prompt: Prompt, engine: Engine) -> tuple[str, bool, list[Token]]:
    splitter = Splitter(_STEP_CHARS)
    tokens = []
    for token in engine.generate(prompt, Sampling(), _STEP_TOKENS):
        tokens.append(token)
        if splitter.feed(token.text) is not None:
            break
    return "".join(token.text for token in tokens), tokens[-1].ends, tokens


def _finish(prompt: Prompt, target: Engine) -> str | None:
    config = RunConfig(Mode.TARGET, Gate(), QUESTIONS["correct"], Sampling(), _BUDGET, _STEP_TOKENS, _STEP_CHARS)
    *_, last = ReasoningRun(prompt, {Author.TARGET: target}, config, lambda: 0.0).events()
    assert isinstance(last, RunFinished)
    return final_answer("".join(prompt.reply) + last.reply)


def _mean(values: list[float]) -> float:
    return sum(values) / len(values) if values else float("nan")


def measure(models: Mapping[Author, Engine], problems: list[Record], out: Path) -> list[Record]:
    """Judge every problem not yet done in `out`, appending; returns all step records."""
    lines = out.read_text(encoding="utf-8").splitlines() if out.exists() else []
    known = [json.loads(line) for line in lines]
    done = {record["problem"] for record in known if "done" in record}
    known = [record for record in known if record["problem"] in done]
    out.write_text("".join(json.dumps(record) + "\n" for record in known), encoding="utf-8")
    for problem in problems:
        if problem["id"] in done:
            continue
        with out.open("a", encoding="utf-8") as file:
            for record in judge_chain(problem, models):
                file.write(json.dumps(record) + "\n")
                file.flush()
                known.append(record)
        print(f"{problem['id']}: {sum('signals' in r for r in known)} steps so far", file=sys.stderr)
    return [record for record in known if "signals" in record]


def report(pair: str, records: list[Record]) -> str:
    """What `docs/verification.md` says of a pair, in Markdown."""
    problems = len({record["problem"] for record in records})
    right = sum(record["right"] for record in records)
    lines = [
        f"{pair}: {len(records)} steps of {problems} problems, {right} right and {len(records) - right} wrong; greedy, "
        f"steps of at most {_STEP_TOKENS} tokens, chains of at most {_BUDGET}.",
        table(records),
        stands(records, "target lowest token"),
        stands(records, "draft lowest token"),
    ]
    return "\n\n".join(lines)


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("pair")
    parser.add_argument("data", type=Path)
    parser.add_argument("records", type=Path)
    parser.add_argument("--problems", type=int, default=30)
    given = parser.parse_args()
    problems = [json.loads(line) for line in given.data.read_text(encoding="utf-8").splitlines()[: given.problems]]
    resolved = resolve_pair(user_registry(), RunOptions(pair=given.pair))
    paths = local_files(resolved)
    with engines(resolved, paths, HardwareOptions(context=4096), Interrupt()) as models:
        print(report(given.pair, measure(models, problems, given.records)))


if __name__ == "__main__":
    main()
