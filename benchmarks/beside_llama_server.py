"""How fast confspec reads and writes beside llama-server, each as its users run it.

    python -m benchmarks.beside_llama_server [--pair PAIR] [--rounds 7] [--tokens 96] [--python PATH]

llama-server (of xllamacpp, which PATH has) runs in a process of its own with its defaults, and waits while
`confspec ask` answers the same question, each model alone, without speculation. They take turns, and the ratio is
taken round by round: this holds when the machine's speed drifts.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from confspec_cli.core.trace import Author
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.options import RunOptions
from confspec_cli.runtime.resolve import resolve_pair, user_registry

_QUESTION = (
    "This is text number {turn}. "
    + "A bakery sells muffins for $3 each and cookies for $2 each. On Monday it sold 14 muffins and twice as many "
    "cookies. How much money did it take in? " * 6 + "Tell a long story about that bakery."
)
_SERVER = """
import sys, xllamacpp
params = xllamacpp.CommonParams()
params.model.path, params.hostnames, params.port, params.verbosity = sys.argv[1], ["127.0.0.1"], 0, -1
server = xllamacpp.Server(params)
print(server.listening_address, flush=True)
sys.stdin.read()
"""

Speed = tuple[float, float]
"""Tokens per second read, and written."""


@contextmanager
def llama_server(python: str, path: Path) -> Iterator[str]:
    """The address of a llama-server for this file."""
    child = subprocess.Popen(
        [python, "-c", _SERVER, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert child.stdin and child.stdout
    address = child.stdout.readline().strip()
    if not address:
        raise SystemExit(f"{python} starts no llama-server: pip install xllamacpp, or name another with --python")
    try:
        yield address
    finally:
        child.stdin.close()
        child.wait()


def theirs(address: str, system: str, question: str, tokens: int) -> Speed:
    """The speeds by llama-server's own clock."""
    body = {
        "messages": [{"role": "system", "content": system}, {"role": "user", "content": question}],
        "max_tokens": tokens,
        "temperature": 0,
        "cache_prompt": False,
    }
    request = urllib.request.Request(
        f"{address}/v1/chat/completions", json.dumps(body).encode(), {"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request) as response:
        times = json.load(response)["timings"]
    return _speed(times["prompt_n"], times["prompt_ms"] / 1000, times["predicted_n"], times["predicted_ms"] / 1000)


def ours(pair: str, author: Author, question: str, tokens: int) -> tuple[Speed, str]:
    """The speeds of a `confspec ask`, all that it does from its first event to its last included; its system prompt."""
    command = [sys.executable, "-m", "confspec_cli", "ask", question, "--pair", pair, "--mode", author.value]
    command += ["--speculate", "off", "--max-tokens", str(tokens), "--format", "jsonl"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True, check=False)
    events: dict[str, list[dict[str, Any]]] = {}
    for line in done.stdout.splitlines():
        event = json.loads(line)
        events.setdefault(event["event"], []).append(event)
    steps = [event["written_step"] for event in events["StepWritten"]]
    reading = sum(step["prefill_seconds"] for step in steps)
    writing = events["RunFinished"][0]["seconds"] - reading
    written = sum(step["tokens"] for step in steps)
    return _speed(steps[0]["prefill_tokens"], reading, written, writing), events["RunStarted"][0]["system"]


def _speed(read: int, reading: float, written: int, writing: float) -> Speed:
    return read / reading, (written - 1) / writing  # the first token comes out of reading the prompt


def compare(python: str, pair: str, author: Author, path: Path, rounds: int, tokens: int) -> None:
    """Print two rows of the table, for one model."""
    measured: list[tuple[Speed, Speed]] = []
    with llama_server(python, path) as address:
        for turn in range(rounds + 1):
            question = _QUESTION.format(turn=turn)
            if turn % 2:
                mine, system = ours(pair, author, question, tokens)
                other = theirs(address, system, question, tokens)
            else:
                other = theirs(address, system if turn else "", question, tokens)
                mine, system = ours(pair, author, question, tokens)
            if turn:  # the first round warms up
                measured.append((mine, other))
    for index, phase in enumerate(("prefill", "decode")):
        columns = [[mine[index] for mine, _ in measured], [other[index] for _, other in measured]]
        speeds = " | ".join(_spread(column, ".1f") for column in columns)
        print(
            f"| {path.stem} | {phase} | {speeds} | {_spread([a / b for a, b in zip(*columns, strict=True)], '.3f')} |"
        )


def _spread(values: list[float], form: str) -> str:
    return f"{statistics.median(values):{form}} ({min(values):{form}} to {max(values):{form}})"


def main() -> None:
    """The command line of this module."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pair", default="starter")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--tokens", type=int, default=96)
    parser.add_argument("--python", default=sys.executable)
    given = parser.parse_args()
    paths = local_files(resolve_pair(user_registry(), RunOptions(pair=given.pair)))
    print(f"tokens per second, medians of {given.rounds} rounds (minimum to maximum), {given.tokens} tokens written\n")
    print("| model | phase | confspec | llama-server | ratio |\n|---|---|---|---|---|", flush=True)
    for author, path in paths.items():
        compare(given.python, given.pair, author, path, given.rounds, given.tokens)


if __name__ == "__main__":
    main()
