"""`--jobs`: several replies at once from models on servers, with a draft that runs here in turns."""

import json
import threading
from functools import partial

import pytest
from support.scripted_server import Fault, ScriptedServer
from support.tiny_gguf import write

from confspec_cli.app import main
from confspec_cli.engines.remote import connection
from confspec_cli.errors import Exit

TEXT = "One step, of as many words as it takes to be one.\n\nAnd another, which is the last of them, and ends here."


@pytest.fixture
def folder(monkeypatch, tmp_path):
    """A folder with prompts, problems and a small draft."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    write(tmp_path / "draft.gguf", "llama")
    (tmp_path / "prompts.txt").write_text("".join(f"What is {n}?\n" for n in range(9)))
    problems = [{"id": f"p{n}", "question": f"What is {n}?", "answer": "42"} for n in range(4)]
    (tmp_path / "problems.jsonl").write_text("".join(json.dumps(one) + "\n" for one in problems))
    return tmp_path


def batch(url, output, *more):
    argv = ["batch", "prompts.txt", "-o", output, "--draft", "draft.gguf", "--target", url, "--max-tokens", "120"]
    return main([*argv, "--always-draft", "-q", *more])


def records(folder, name):
    """The records of a file, without what differs from run to run."""
    return [
        (one["id"], one["reply"], [step["origin"] for step in one["steps"]])
        for one in map(json.loads, (folder / name).read_text().splitlines())
    ]


def test_several_at_once_give_the_records_of_one_after_the_other_in_the_same_order(folder, capsys):
    with ScriptedServer(writes=TEXT) as target:
        assert batch(target.url, "one.jsonl") == Exit.OK
        together = threading.Barrier(3)
        connecting, meeting = [Fault()] * 3, [Fault(meets=lambda: together.wait(20))] * 3
        target.faults = connecting + meeting  # the first three answers come once three have been asked for
        assert batch(target.url, "three.jsonl", "--jobs", "3") == Exit.OK
    assert not target.faults
    assert records(folder, "three.jsonl") == records(folder, "one.jsonl")
    assert [one[0] for one in records(folder, "three.jsonl")] == list(range(1, 10))


def test_a_server_that_serves_fewer_at_once_is_asked_by_as_many_and_all_replies_are_written(folder, monkeypatch):
    monkeypatch.setattr(connection, "Patience", partial(connection.Patience, pause=0.02))
    alone = ("--mode", "target")
    with ScriptedServer(writes=TEXT, pace=0.003, places=2) as target:
        assert batch(target.url, "one.jsonl", *alone) == Exit.OK
        assert not target.refused
        assert batch(target.url, "six.jsonl", "--jobs", "6", *alone) == Exit.OK
    assert records(folder, "six.jsonl") == records(folder, "one.jsonl")
    assert 1 <= target.refused <= 12


def test_a_server_that_goes_away_loses_nothing_that_was_finished_and_the_rest_is_done_later(folder, capsys):
    with ScriptedServer(writes=TEXT) as target:
        target.faults = [*[Fault()] * 10, *[Fault(after=0)] * 99]
        assert batch(target.url, "some.jsonl", "--jobs", "3") == Exit.DOWNLOAD
        assert "Run the same command again to resume." not in capsys.readouterr().err  # it was to be quiet
        kept = len(records(folder, "some.jsonl"))
        target.faults = []
        assert batch(target.url, "some.jsonl", "--jobs", "3") == Exit.OK
    assert 0 < kept < 9
    assert sorted(one[0] for one in records(folder, "some.jsonl")) == list(range(1, 10))


def test_a_benchmark_of_several_at_once_counts_what_one_after_the_other_does(folder, capsys):
    with ScriptedServer(writes=TEXT) as target:
        argv = ["bench", "problems.jsonl", "--draft", "draft.gguf", "--target", target.url, "--max-tokens", "120"]
        argv += ["--modes", "target,confspec", "--always-draft", "--json", "-q"]
        tables = []
        for jobs in ("1", "3"):
            assert main([*argv, "-o", f"{jobs}.jsonl", "--jobs", jobs]) == Exit.OK
            tables.append(json.loads(capsys.readouterr().out))
    counts = [[(row["mode"], row["correct"], row["tokens"]) for row in table["modes"]] for table in tables]
    assert counts[0] == counts[1]
    assert json.loads((folder / "3.jsonl").read_text().splitlines()[0])["circumstances"]["jobs"] == 3


@pytest.mark.parametrize("command", ["batch", "bench"])
def test_where_everything_runs_here_several_at_once_are_refused_before_anything_is_loaded(folder, capsys, command):
    file = "prompts.txt" if command == "batch" else "problems.jsonl"
    assert main([command, file, "--draft", "draft.gguf", "--target", "none.gguf", "--jobs", "2"]) == Exit.USAGE
    assert "All models run here, one reply at a time; --jobs is for models on servers." in capsys.readouterr().err
