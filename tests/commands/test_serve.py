"""`confspec serve` as a process of its own, over real models."""

import os
import re
import signal
import subprocess
import sys

import httpx2
import pytest
from support.scripted_server import Fault, ScriptedServer
from support.tiny_gguf import write

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.storage.session_store import SessionStore

QUESTION = {"messages": [{"role": "user", "content": "Count to three."}], "max_tokens": 24}


@pytest.fixture
def started(own_sessions):
    """Start a server; gives the process and its base URL."""
    processes = []

    def start(*argv):
        process = subprocess.Popen(
            [sys.executable, "-m", "confspec_cli", "serve", "--port", "0", *argv],
            stderr=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )
        processes.append(process)
        for line in process.stderr:
            if found := re.search(r"at (http://\S+)", line):
                return process, found[1]
        raise AssertionError("it did not start")

    yield start
    for process in processes:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pair")
    return tuple(str(write(folder / f"{name}.gguf", "llama", seed=seed)) for seed, name in enumerate(("small", "big")))


def post(url, **changes):
    return httpx2.post(f"{url}/chat/completions", json={**QUESTION, **changes}, timeout=60, trust_env=False)


def test_a_pair_of_files_is_served_until_a_signal_comes(started, pair, own_sessions):
    draft, target = pair
    process, url = started("--draft", draft, "--target", target)
    names = [model["id"] for model in httpx2.get(f"{url}/models", trust_env=False).json()["data"]]
    assert names == ["small + big", "small + big/draft", "small + big/target"]
    alone = [post(url, model="small + big/target").json() for _ in range(2)]
    rejecting = post(url, model="small + big", confspec={"accept": 1, "reject": 1}).json()
    texts = {done["choices"][0]["message"]["content"] for done in [*alone, rejecting]}
    assert len(texts) == 1  # the target's own, whatever the draft has said
    assert alone[1]["usage"]["prompt_tokens_details"]["cached_tokens"] > 0
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert process.returncode == Exit.TERMINATED
    assert "confspec: Stopped." in err
    assert len(SessionStore(own_sessions).list()) == 3


def test_a_server_that_is_killed_leaves_every_finished_answer_in_the_sessions(started, own_sessions):
    steps = "One step, of as many words as it takes to be one.\n\n" * 2
    with ScriptedServer() as draft, ScriptedServer(writes=steps) as target:
        process, url = started("--draft", draft.url, "--target", target.url)
        name = httpx2.get(f"{url}/models", trust_env=False).json()["data"][-1]["id"]
        replies = {post(url, model=name, max_tokens=200).json()["choices"][0]["message"]["content"]}
        target.faults = [Fault(after=15000, hangs=True)]  # in the middle of the second step
        body = {**QUESTION, "model": name, "stream": True, "max_tokens": 200}
        with httpx2.stream("POST", f"{url}/chat/completions", json=body, timeout=60, trust_env=False) as response:
            next(line for line in response.iter_lines() if "StepCommitted" in line)
            process.send_signal(signal.SIGKILL)
            process.wait()
    finished, begun = sorted(SessionStore(own_sessions).list(), key=lambda session: session.id)
    assert {turn.reply for turn in finished.turns()} == replies == {steps}
    assert begun.turns()[0].cut_off
    assert begun.turns()[0].steps


@pytest.mark.parametrize(
    ("argv", "words"),
    [
        (("--host", "0.0.0.0"), "0.0.0.0 can be reached from other machines, so the server needs a key."),
        (("--api-key-env", "NOT_SET_ANYWHERE"), "NOT_SET_ANYWHERE is not set"),
        (("--parallel", "2"), "runs here, one request at a time; --parallel is for models on servers."),
        (("--no-such",), "No such option: --no-such"),
    ],
)
def test_what_cannot_be_served_is_refused_before_anything_is_loaded(argv, words, pair, capsys):
    assert main(["serve", "--draft", pair[0], "--target", pair[1], *argv]) == Exit.USAGE
    assert words in capsys.readouterr().err


def test_a_port_that_is_taken_is_said_before_anything_is_loaded(started, pair, capsys):
    _, url = started("--draft", pair[0], "--target", pair[1])
    port = url.split(":")[2].removesuffix("/v1")
    assert main(["serve", "--draft", pair[0], "--target", pair[1], "--port", port]) == Exit.FAILURE
    assert f"Cannot listen on 127.0.0.1, port {port}" in capsys.readouterr().err


def test_without_its_extra_it_says_how_to_install_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    for name in [name for name in sys.modules if name.startswith("confspec_cli.serve")]:
        monkeypatch.delitem(sys.modules, name)
    assert main(["serve"]) == Exit.USAGE
    assert "pip install 'confspec-cli[serve]'" in capsys.readouterr().err
