"""Guessing ahead beside the speculative paths of llama-cpp-python and of llama.cpp itself, for the target alone.

    python -m benchmarks.lookahead FILE [PAIR] [--problems 10] [--tokens 256] [--llama-cpp BINARY]

Ways to the same greedy text, problem by problem, by turns: ours without guesses, with n-gram lookup, and with the draft
guessing; llama-cpp-python's plain loop, and that with its prompt lookup of 2 tokens, as its documentation advises for
processors. BINARY is llama.cpp's own `llama-speculative-simple`, which the source in llama-cpp-python's package builds
(`cmake --build build --target llama-speculative-simple` in vendor/llama.cpp); with it llama.cpp's n-gram lookup and
draft model are tried too, with llama.cpp's defaults, by the seconds it prints of reading and writing.
"""

from __future__ import annotations

import argparse
import math
import re
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Sampling, Speculation, Token
from confspec_cli.core.tasks import TASKS
from confspec_cli.core.trace import Author
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.native import has_amx, physical_cores
from confspec_cli.evaluate.problems import load_problems
from confspec_cli.evaluate.statistics import ratio_interval
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

_CONTEXT = 4096
_LOOKUP = 2
_PLAIN, _GUESSING = "ours", "ours, n-gram lookup"
_PRINTED = re.compile(r"(?:en|de)coded +(\d+) tokens in +([\d.]+) seconds")
Way = Callable[[Prompt, int], tuple[list[Token], float]]
"""Continues a prompt by so many tokens at most: what came, and the seconds it took, prefill and all."""


def ours(engine: LlamaCppEngine, speculation: Speculation) -> Way:
    """Our engine, with or without guesses."""

    def write(prompt: Prompt, most: int) -> tuple[list[Token], float]:
        engine.reset()
        began = time.perf_counter()
        written = list(engine.generate(prompt, Sampling(speculation=speculation), most))
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


def llama_cpp(binary: str, engine: LlamaCppEngine, models: Sequence[str]) -> Way:
    """llama.cpp's own program, with these arguments; `engine` spells the prompts for it."""

    def write(prompt: Prompt, most: int) -> tuple[list[Token], float]:
        text = "".join(piece.text for piece in engine._chat.conversation(prompt.messages, think=False))
        with tempfile.NamedTemporaryFile("w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            limits = ["-f", file.name, "-n", str(most), "-c", str(_CONTEXT), "--temp", "0", "-t", str(physical_cores())]
            command = [binary, *models, *limits, "--flash-attn", "off", "--no-escape"]
            run = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
        printed = _PRINTED.findall(run.stdout + run.stderr)
        if len(printed) != 2:
            raise SystemExit(f"{' '.join(command)} failed:\n{run.stderr[-1000:]}")
        return [Token("", 0.0)] * int(printed[1][0]), sum(float(seconds) for _, seconds in printed)

    return write


def parting(plain: list[Token], speculated: list[Token]) -> str | None:
    """Where two texts part, and how likely what each says there was; None where they do not."""
    for place, (one, other) in enumerate(zip(plain, speculated, strict=False), 1):
        if one.text != other.text:
            likely = f"{math.exp(one.logprob):.3f} and {math.exp(other.logprob):.3f}"
            return f"token {place}: {one.text!r} and {other.text!r}, probabilities {likely}"
    return None


def ways_of(engine: LlamaCppEngine, target: Path, draft: Path, binary: str | None) -> dict[str, Way]:
    """Every way that can be gone here; `engine` is the target, acquainted with the draft."""
    ways = {
        _PLAIN: ours(engine, Speculation.OFF),
        _GUESSING: ours(engine, Speculation.NGRAM),
        "ours, by the draft": ours(engine, Speculation.DRAFT),
        "llama-cpp-python": theirs(engine, target, 0),
        "llama-cpp-python, prompt lookup": theirs(engine, target, _LOOKUP),
    }
    if binary:
        lookup, drafting = ["--spec-type", "ngram-simple"], ["-md", str(draft), "--spec-type", "draft-simple"]
        ways["llama.cpp, n-gram lookup"] = llama_cpp(binary, engine, ["-m", str(target), *lookup])
        ways["llama.cpp, by the draft"] = llama_cpp(binary, engine, ["-m", str(target), *drafting])
    return ways


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file")
    parser.add_argument("pair", nargs="?")
    parser.add_argument("--problems", type=int, default=10)
    parser.add_argument("--tokens", type=int, default=256)
    parser.add_argument("--llama-cpp", metavar="BINARY")
    given = parser.parse_args()
    if has_amx():
        raise SystemExit("llama-cpp-python's own class can crash on a processor with AMX: not tried here")
    resolved = resolve_pair(user_registry(), RunOptions(pair=given.pair))
    paths = local_files(resolved)
    written: dict[str, list[Token]] = {}
    differences: list[str] = []
    with engines(resolved, paths, HardwareOptions(context=_CONTEXT), Interrupt()) as loaded:
        engine = loaded[Author.TARGET]
        assert isinstance(engine, LlamaCppEngine)
        ways = ways_of(engine, paths[Author.TARGET], paths[Author.DRAFT], given.llama_cpp)
        per_token: dict[str, list[float]] = {name: [] for name in ways}
        for turn, problem in enumerate(load_problems(given.file)[: given.problems]):
            system = problem.system or TASKS[problem.task].system
            prompt = Prompt((Message("system", system), Message("user", problem.prompt)))
            names = list(ways)
            for name in names[turn % len(names) :] + names[: turn % len(names)]:
                loaded[Author.DRAFT].reset()
                written[name], seconds = ways[name](prompt, given.tokens)
                per_token[name].append(seconds / len(written[name]))
            for name in names[1:3]:
                if parts := parting(written[_PLAIN], written[name]):
                    differences.append(f"{problem.id}, {name}: {parts}")
    print(
        f"{resolved.pair.target}, {given.problems} problems of {given.file}, {physical_cores()} threads; "
        "[95 % intervals]\n"
    )
    print("| variant | tokens/s | speed-up over ours |\n|---|--:|--:|")
    for name, times in per_token.items():
        value, low, high = ratio_interval(per_token[_PLAIN], times)
        print(f"| {name} | {len(times) / sum(times):.1f} | {value:.2f} [{low:.2f}, {high:.2f}] |")
    print(f"\ntexts of ours that differ with guesses, {len(differences)} of {2 * given.problems}:")
    for difference in differences:
        print(f"- {difference}")


if __name__ == "__main__":
    main()
