"""`ask --server`: the same steps and the same reply, by the models of a server that runs already."""

import json
import os
import signal
import threading

import pytest
from support.scripted_chat import pool
from support.serving import serving, slow_pool

from confspec_cli.app import main
from confspec_cli.core.events import from_dict
from confspec_cli.errors import Exit
from confspec_cli.storage.session_store import SessionStore

ANSWER = "This is the first step of it.\n\nAnd here is the second one.\n\nSo it is \\boxed{42}.\n"


@pytest.fixture(scope="module")
def served():
    with serving() as one:
        yield one


@pytest.fixture
def ask(served, monkeypatch, capsys):
    """Ask; gives the exit code, stdout and stderr."""

    def asked(*argv, url=served.url):
        code = main(["ask", "--no-stdin", "--server", url, *argv])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return asked


def test_the_reply_and_the_steps_are_those_of_the_server(ask):
    code, out, err = ask("What is 6 times 7?")
    assert (code, out) == (Exit.OK, ANSWER)
    assert "target" in err
    assert "17 tokens" in err


def test_every_event_arrives_as_it_was(ask, served):
    _, out, _ = ask("What is 6 times 7?", "--format", "jsonl")
    events = [from_dict(json.loads(line)) for line in out.splitlines()]
    here = {card.name for card in events[0].models.values()}
    assert (events[0].prompt, here) == ("What is 6 times 7?", {"scripted"})
    assert [type(event).__name__ for event in events].count("StepJudged") == 4
    assert events[-1].answer == "42"


def test_the_environment_may_name_the_server(served, monkeypatch, capsys):
    monkeypatch.setenv("CONFSPEC_SERVER", served.api)
    assert main(["ask", "--no-stdin", "-q", "What is 6 times 7?"]) == Exit.OK
    assert capsys.readouterr().out == ANSWER


def test_the_session_is_kept_here_and_goes_on(ask, own_sessions):
    ask("What is 6 times 7?", "-s", "Be brief.")
    _, out, _ = ask("-c", "And then?", "--format", "jsonl")
    assert json.loads(out.splitlines()[0])["system"] == "Be brief."
    (session,) = SessionStore(own_sessions).list()
    assert [turn.user for turn in session.turns()] == ["What is 6 times 7?", "And then?"]


def test_options_reach_the_run_there(ask):
    _, out, _ = ask("x", "--mode", "target", "--task", "code", "-n", "7", "--temperature", "1", "--format", "json")
    document = json.loads(out)
    assert (document["mode"], document["finish_reason"]) == ("target", "length")
    assert {"task": "code", "max_tokens": 7, "temperature": 1.0}.items() <= document["parameters"].items()


@pytest.mark.parametrize(
    ("argv", "code", "words"),
    [
        (("--target", "x.gguf"), Exit.USAGE, "has its models already, so --target does not apply"),
        (("--context", "512"), Exit.USAGE, "has its models already, so --context does not apply"),
        (("-p", "tiny"), Exit.USAGE, "has the pair scripted, not tiny."),
        (("--gate", "no-such"), Exit.USAGE, "no measured gates"),
        (("--format-answer", "json"), Exit.SCHEMA, "is not JSON"),
    ],
)
def test_what_cannot_be_is_said_as_if_it_ran_here(ask, argv, code, words):
    got, _, err = ask("What is 6 times 7?", *argv)
    assert (got, words in err) == (code, True), err


def test_a_prompt_that_does_not_fit_exits_as_it_does_here(ask):
    with serving(pool(context=40)) as small:
        code, _, err = ask("word " * 50, url=small.url)
    assert code == Exit.CONTEXT_FULL
    assert "The prompt is" in err


def test_a_key_is_taken_from_the_environment(ask, monkeypatch):
    with serving(key="secret") as locked:
        code, _, err = ask("What is 6 times 7?", url=locked.url)
        assert (code, "401" in err) == (Exit.DOWNLOAD, True)
        monkeypatch.setenv("CONFSPEC_API_KEY", "secret")
        assert ask("What is 6 times 7?", url=locked.url)[:2] == (Exit.OK, ANSWER)


def test_where_no_server_is_it_says_so(ask):
    code, _, err = ask("What is 6 times 7?", url="http://127.0.0.1:9")
    assert (code, "Nothing answers at http://127.0.0.1:9" in err) == (Exit.DOWNLOAD, True)


def test_ctrl_c_stops_the_run_there_and_keeps_what_came(ask, own_sessions):
    with serving(slow_pool(0.1)) as slow:
        threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGINT)).start()
        code, out, _ = ask("What is 6 times 7?", url=slow.url)
    assert code == Exit.INTERRUPTED
    assert out == "This is the first step of it.\n"
    assert slow.log[0].startswith("interrupted")
    assert SessionStore(own_sessions).list()[0].turns()[0].steps
