"""Guessing ahead beside the speculative path that llama-cpp-python has itself, for one model alone.

    python -m confspec_cli.bench.lookahead FILE [--model NAME] [--problems 10] [--tokens 256]

Four ways to the same greedy text: ours without guesses, ours with n-gram lookup, llama-cpp-python's plain loop, and
that with its prompt lookup of 2 tokens, as its documentation advises for processors; problem by problem, by turns.
"""

from __future__ import annotations

import argparse
import math
import os
import time
from collections.abc import Callable
from pathlib import Path

from confspec_cli.bench.problems import load_problems
from confspec_cli.bench.statistics import ratio_interval
from confspec_cli.engines.base import Interrupt, Message, Prompt, Sampling, Speculation, Token
from confspec_cli.engines.llamacpp.engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.loading import Hardware
from confspec_cli.engines.llamacpp.native import has_amx, physical_cores
from confspec_cli.folders import config_folder, models_folder
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.tasks import TASKS

_CONTEXT = 4096
_LOOKUP = 2
_PLAIN, _GUESSING = "ours", "ours, n-gram lookup"
Way = Callable[[Prompt, int], tuple[list[Token], float]]
"""Continues a prompt by so many tokens at most: what came, and the seconds it took, prefill and all."""


def ours(engine: LlamaCppEngine, who: Speculation) -> Way:
    """Our engine, with or without guesses."""

    def write(prompt: Prompt, most: int) -> tuple[list[Token], float]:
        engine.forget()
        began = time.perf_counter()
        written = list(engine.generate(prompt, Sampling(speculation=who), most))
        return written, time.perf_counter() - began

    return write


def theirs(engine: LlamaCppEngine, path: Path, lookup: int) -> Way:
    """llama-cpp-python's own class, guessing `lookup` tokens ahead; `engine` spells the prompts for it."""
    from llama_cpp import Llama  # noqa: PLC0415 - slow to import
    from llama_cpp.llama_speculative import LlamaPromptLookupDecoding  # noqa: PLC0415

    model = Llama(
        str(path),
        n_ctx=_CONTEXT,
        n_threads=physical_cores(),
        n_threads_batch=physical_cores(),
        draft_model=LlamaPromptLookupDecoding(num_pred_tokens=lookup) if lookup else None,
        verbose=False,
    )

    def write(prompt: Prompt, most: int) -> tuple[list[Token], float]:
        spelled = [token for part in engine.spelling.conversation(prompt) for token in engine.spelling.spell(part)]
        model.reset()
        began, written = time.perf_counter(), list[Token]()
        for token in model.generate(spelled, temp=0.0, top_k=1, repeat_penalty=1.0):
            written.append(Token(engine._vocab.piece(token).decode("utf-8", "replace"), 0.0))
            if len(written) == most or token in engine._vocab.ends:
                break
        return written, time.perf_counter() - began

    return write


def parting(plain: list[Token], guessed: list[Token]) -> str | None:
    """Where two texts part, and how likely what each says there was; None where they do not."""
    for place, (one, other) in enumerate(zip(plain, guessed, strict=False), 1):
        if one.text != other.text:
            likely = f"{math.exp(one.logprob):.3f} and {math.exp(other.logprob):.3f}"
            return f"token {place}: {one.text!r} and {other.text!r}, likely {likely}"
    return None


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("--model", default="qwen2.5-coder-1.5b-q4_k_m")
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=256)
    given = parser.parse_args()
    if has_amx():
        raise SystemExit("llama-cpp-python's own class can crash on a processor with AMX: not tried here")
    found = Store(models_folder(os.environ)).find(load(config_folder(os.environ) / "models.yaml").model(given.model))
    if not found:
        raise SystemExit(f"{given.model} is not here: confspec pull {given.model}")
    engine = LlamaCppEngine(found[0], Hardware(_CONTEXT), Interrupt(), lambda _: None)
    ways = {
        _PLAIN: ours(engine, Speculation.OFF),
        _GUESSING: ours(engine, Speculation.NGRAM),
        "llama-cpp-python": theirs(engine, found[0], 0),
        "llama-cpp-python, prompt lookup": theirs(engine, found[0], _LOOKUP),
    }
    written: dict[str, list[Token]] = {}
    differences: list[str] = []
    per_token: dict[str, list[float]] = {name: [] for name in ways}
    for turn, problem in enumerate(load_problems(given.file)[: given.problems]):
        system = problem.system or TASKS[problem.task].system
        prompt = Prompt((Message("system", system), Message("user", problem.prompt)))
        names = list(ways)
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            written[name], seconds = ways[name](prompt, given.tokens)
            per_token[name].append(seconds / len(written[name]))
        if parts := parting(written[_PLAIN], written[_GUESSING]):
            differences.append(f"{problem.id}, {parts}")
    print(f"{given.model}, {given.problems} problems of {given.file}, {physical_cores()} threads; [95 % intervals]\n")
    print("| way | tokens/s | speed-up over ours |\n|---|--:|--:|")
    for name, times in per_token.items():
        value, low, high = ratio_interval(per_token[_PLAIN], times)
        print(f"| {name} | {len(times) / sum(times):.1f} | {value:.2f} [{low:.2f}, {high:.2f}] |")
    print(f"\ntexts of ours that differ with guesses, {len(differences)} of {given.problems}:")
    for difference in differences:
        print(f"- {difference}")


if __name__ == "__main__":
    main()
