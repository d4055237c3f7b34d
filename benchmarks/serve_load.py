"""What `confspec serve` bears, with scripted models, and how soon a warm question is answered, with real ones.

python -m benchmarks.serve_load load       200 clients for five minutes: answers, memory, waiting against theory
python -m benchmarks.serve_load gone       50 clients that are cut off at random moments
python -m benchmarks.serve_load killed     kill -9 under load: every answer that was received is in the sessions
python -m benchmarks.serve_load overhead   one client: time per token through the server, over the run alone
python -m benchmarks.serve_load warm       first text of `ask --server` over that of a cold `ask` (--pair)
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx2

from confspec_cli.core.events import TextWritten
from confspec_cli.core.run_config import Mode
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.models.registry import Model, Pair, Registry
from confspec_cli.models.sources import ModelFile, PathSource
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.open_pair import OpenPair
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.serve.conversations import Conversations
from confspec_cli.serve.server import Address, server_of
from confspec_cli.serve.service import Limits, Service
from confspec_cli.serve.slot import Slot
from confspec_cli.storage.session_store import SessionStore

WORDS = 40
ANSWER = "".join(f"word{number} " for number in range(WORDS - 1)) + "word."
QUESTION = {"model": "scripted/target", "messages": [{"role": "user", "content": "What is it?"}]}


def scripted_pool(seconds: float) -> ModelPool:
    """Models that write the answer, each word in so many seconds."""

    def slow(_: str) -> float:
        if seconds:
            time.sleep(seconds)
        return -0.1

    models = {name: Model(name, (ModelFile(f"{name}.gguf", (PathSource(Path(name)),)),)) for name in ("small", "big")}
    registry = Registry(models, {"scripted": Pair("scripted", "small", "big", max_tokens=400)}, "scripted")

    def load(_: Any, places: Mapping[Author, Any], __: Any, interrupt: Any, ___: Any) -> dict[Author, Any]:
        return {author: ScriptedEngine((ANSWER,), likelihood=slow, interrupt=interrupt) for author in places}

    pool = ModelPool(registry, HardwareOptions(), find=lambda _, __: dict.fromkeys(Author, Path("x")), load=load)
    pool.switch(RunOptions())
    return pool


def run_server(port: int, seconds: float, sessions: str) -> None:
    """The server, in a process of its own."""
    address = Address("127.0.0.1", port)
    store = SessionStore(Path(sessions)) if sessions else None
    with Service("scripted", RunOptions(), [Slot(scripted_pool(seconds), Conversations(store))], Limits(1000)) as one:
        server_of(one, address, lambda _: None).run([address.listen()])


@contextmanager
def running(*argv: str) -> Iterator[tuple[subprocess.Popen[bytes], str]]:
    """A server started by this command line and a port of its own, once it answers; its process and its URL."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    process = subprocess.Popen([sys.executable, "-m", *argv, "--port", str(port)], stderr=subprocess.DEVNULL)
    url = f"http://127.0.0.1:{port}"
    try:
        while True:
            with suppress(httpx2.TransportError):
                httpx2.get(f"{url}/health", trust_env=False)
                break
            if process.poll() is not None:
                raise SystemExit(f"the server ended: {' '.join(argv)}")
            time.sleep(0.1)
        yield process, url
    finally:
        process.kill()
        process.wait()


def server(seconds: float, sessions: str = "") -> AbstractContextManager[tuple[subprocess.Popen[bytes], str]]:
    """A server of a scripted pair, `seconds` a word."""
    return running("benchmarks.serve_load", "serve", "--word", str(seconds), "--sessions", sessions)


async def one_answer(client: httpx2.AsyncClient, user: str) -> tuple[str, float]:
    """An answer, and the seconds until its first text."""
    began, text, first = time.perf_counter(), "", 0.0
    async with client.stream("POST", "/v1/chat/completions", json={**QUESTION, "stream": True, "user": user}) as answer:
        answer.raise_for_status()
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                for choice in json.loads(line[6:]).get("choices", ()):
                    if said := choice["delta"].get("content"):
                        first = first or time.perf_counter() - began
                        text += said
    return text, first


async def load(url: str, clients: int, seconds: float, pid: int) -> None:
    """So many clients, each with one request after the other."""
    waits: list[float] = []
    results: Counter[str] = Counter()
    memory = [resident(pid)]
    began = time.monotonic()
    until = began + seconds

    async def client(number: int) -> None:
        while time.monotonic() < until:
            try:
                text, first = await one_answer(http, str(number))
                results["whole" if text == ANSWER else "wrong"] += 1
                waits.append(first)
            except httpx2.HTTPError as problem:
                results[type(problem).__name__] += 1

    async def watch() -> None:
        while time.monotonic() < until:
            await asyncio.sleep(seconds / 10)
            memory.append(resident(pid))

    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False) as http:
        await asyncio.gather(watch(), *(client(number) for number in range(clients)))
        elapsed = time.monotonic() - began
        health = (await http.get("/health")).json()
    settled = sorted(waits[clients:])  # the first round meets an empty line
    rate = len(waits) / elapsed
    print(f"{clients} clients, {seconds:.0f} s: {dict(results)}; afterwards {health}")
    print(f"memory of the server in MiB, at ten moments: {[round(one / 2**20, 1) for one in memory]}")
    if settled:
        p95 = settled[int(0.95 * len(settled))]
        print(f"{rate:.1f} answers a second; waiting until the first text: median {statistics.median(settled):.2f} s,")
        print(f"p95 {p95:.2f} s; predicted for {clients} in turn at that rate: {(clients - 1) / rate:.2f} s")


async def gone(url: str, clients: int) -> None:
    """Clients cut off at random moments; nothing of theirs goes on."""
    draw = random.Random(1)

    async def cut(number: int) -> None:
        with suppress(httpx2.TimeoutException, asyncio.TimeoutError):
            await asyncio.wait_for(one_answer(http, str(number)), draw.uniform(0.0, 10.0))

    limits = httpx2.Limits(max_connections=None)
    async with httpx2.AsyncClient(base_url=url, timeout=600, limits=limits, trust_env=False) as http:
        await asyncio.gather(*(cut(number) for number in range(clients)))
        began = time.perf_counter()
        while (health := (await http.get("/health")).json())["running"] or health["waiting"]:
            await asyncio.sleep(0.005)
        print(f"{clients} clients cut off; {time.perf_counter() - began:.3f} s after the last one: {health}")
        text, _ = await one_answer(http, "next")
        print(f"the next answer is {'whole' if text == ANSWER else 'wrong'}")


async def killed(process: subprocess.Popen[bytes], url: str, folder: str) -> None:
    """Kill the server under load; compare what clients have with what the sessions have."""
    received = 0

    async def client(number: int) -> None:
        nonlocal received
        with suppress(httpx2.TransportError):
            while True:
                text, _ = await one_answer(http, str(number))
                received += text == ANSWER

    async with httpx2.AsyncClient(base_url=url, timeout=60, trust_env=False) as http:
        clients = [asyncio.ensure_future(client(number)) for number in range(10)]
        await asyncio.sleep(random.Random(2).uniform(4.0, 6.0))
        process.send_signal(signal.SIGKILL)
        await asyncio.gather(*clients)
    turns = [turn for session in SessionStore(Path(folder)).list() for turn in session.turns()]
    finished = [turn for turn in turns if not turn.cut_off and turn.reply == ANSWER]
    cut_off = len(turns) - len(finished)
    print(f"answers received: {received}; finished in the sessions: {len(finished)}; cut off: {cut_off}")


def overhead(seconds: float, rounds: int) -> None:
    """The time of an answer through the server over that of the run alone, best of several rounds by turns."""
    times: dict[str, list[tuple[float, float]]] = {"alone": [], "served": []}
    pair = OpenPair(scripted_pool(seconds), RunOptions(mode=Mode.TARGET))
    with server(seconds) as (_, url), httpx2.Client(base_url=url, timeout=60, trust_env=False) as http:
        for _ in range(rounds):
            times["alone"].append(timed(isinstance(event, TextWritten) for event in pair.reason("What is it?")))
            times["served"].append(timed(texts(http)))
    first = {name: min(first for first, _ in each) for name, each in times.items()}
    rest = {name: min(rest for _, rest in each) for name, each in times.items()}
    print(f"{WORDS} tokens of {1000 * seconds:.0f} ms each, best of {rounds} rounds by turns")
    print(f"first token: alone {1000 * first['alone']:.1f} ms, served {1000 * first['served']:.1f} ms")
    print(f"the others: {rest['served'] / rest['alone']:.4f} of the time of the run alone")


def texts(http: httpx2.Client) -> Iterator[bool]:
    """Of each line of a stream, whether it holds a word."""
    with http.stream("POST", "/v1/chat/completions", json={**QUESTION, "stream": True}) as answer:
        yield from ('"content": "w' in line for line in answer.iter_lines())


def timed(is_text: Iterator[bool]) -> tuple[float, float]:
    """Seconds until the first text, and from there to the last."""
    began = time.perf_counter()
    moments = [time.perf_counter() - began for is_one in is_text if is_one]
    return moments[0], moments[-1] - moments[0]


def warm(pair: str, rounds: int) -> None:
    """Seconds until the first text of a question, asked in three ways by turns; each time another question."""
    times: dict[str, list[float]] = {"ask, cold": [], "ask --server": [], "one more request": []}
    argv = [sys.executable, "-m", "confspec_cli"]
    with running("confspec_cli", "serve", pair, "--no-log") as (_, url):
        for number in range(rounds):
            ask = [
                *argv,
                "ask",
                "--no-stdin",
                "--no-log",
                "-n",
                "8",
                "--format",
                "jsonl",
                f"What is 17 times {number}?",
            ]
            times["ask, cold"].append(first_text([*ask, "-p", pair]))
            times["ask --server"].append(first_text([*ask, "--server", url]))
            body = {
                "model": pair,
                "messages": [{"role": "user", "content": f"And {number} times 18?"}],
                "max_tokens": 8,
            }
            body |= {"stream": True, "confspec": {"events": True}}
            began = time.perf_counter()
            with httpx2.stream("POST", f"{url}/v1/chat/completions", json=body, trust_env=False, timeout=60) as answer:
                next(line for line in answer.iter_lines() if f'"{TextWritten.__name__}"' in line)
                times["one more request"].append(time.perf_counter() - began)
    for name, seconds in times.items():
        ratio = min(seconds) / min(times["ask, cold"])
        print(f"{name}: first text after {min(seconds):.2f} s at best of {rounds}; {ratio:.2f} of a cold ask")


def first_text(argv: list[str]) -> float:
    """Seconds from the start of a process to the first text that a model wrote, as its events tell."""
    began = time.perf_counter()
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        assert process.stdout
        next(line for line in process.stdout if f'"{TextWritten.__name__}"' in line)
        took = time.perf_counter() - began
        process.stdout.read()
    return took


def resident(pid: int) -> int:
    """Bytes of memory a process has."""
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]) * os.sysconf("SC_PAGE_SIZE")


def main() -> None:
    """Read the command line and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=["load", "gone", "killed", "overhead", "warm", "serve"])
    parser.add_argument("--clients", type=int)
    parser.add_argument("--seconds", type=float, default=300.0)
    parser.add_argument("--word", type=float, help="seconds a scripted model takes for a word")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--pair", default="tiny")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--sessions", default="")
    given = parser.parse_args()
    match given.what:
        case "serve":
            run_server(given.port, given.word, given.sessions)
        case "overhead":
            overhead(0.01 if given.word is None else given.word, given.rounds)
        case "warm":
            warm(given.pair, given.rounds)
        case "load":
            with server(given.word or 0.0) as (process, url):
                asyncio.run(load(url, given.clients or 200, given.seconds, process.pid))
        case "gone":
            with server(0.02 if given.word is None else given.word) as (_, url):
                asyncio.run(gone(url, given.clients or 50))
        case "killed":
            with tempfile.TemporaryDirectory() as folder, server(given.word or 0.0, folder) as (process, url):
                asyncio.run(killed(process, url, folder))


if __name__ == "__main__":
    main()
