"""A model server that fails in the middle of a run: what the command says, and how it is gone on with."""

import json

import pytest
from support.scripted_server import Fault, ScriptedServer

from confspec_cli.app import main
from confspec_cli.errors import Exit

_SAYS = "This is step number {}, and it says enough to be a step of its own, as no step may be short.\n\n"
THIRD = Fault(after=45_000)  # in the middle of the third step
STEPS = [_SAYS.format(number) for number in ("one", "two", "three")]


@pytest.fixture
def server(tmp_path, monkeypatch):
    for variable in ("CONFSPEC_CONFIG_DIR", "CONFSPEC_MODELS", "CONFSPEC_STATE"):
        monkeypatch.setenv(variable, str(tmp_path / variable))
    with ScriptedServer(writes="".join(STEPS)) as one:
        yield one


@pytest.fixture
def run(server, capsys):
    """Run a command with the server's model alone; gives the exit code, stdout and stderr."""

    def ran(command, *words):
        code = main([command, *words, "--mode", "target", "--target", server.url, "-n", "400"])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return ran


def fails_at(server, number, *faults):
    """Have answers fail from the one to request `number` of a run on; the first is a trial at the opening."""
    server.faults[:] = [*(Fault() for _ in range(number)), *faults]


def test_what_there_is_is_printed_with_the_error_and_without_a_question_it_is_gone_on_with(run, server):
    fails_at(server, 1, THIRD)
    code, out, err = run("ask", "How much?", "--no-stdin")
    assert code == Exit.DOWNLOAD
    assert out.startswith("".join(STEPS[:2]))
    assert STEPS[2].startswith(out.strip()[len("".join(STEPS[:2])) :])
    assert "broke off in the middle of its answer" in err
    assert "confspec ask -c continues from the last step" in err
    server.requests.clear()
    code, out, _ = run("ask", "-c", "--no-stdin", "--format", "json")
    document = json.loads(out)
    assert code == Exit.OK
    assert document["reply"] == "".join(STEPS)
    assert document["prompt"] == "How much?"
    assert len(server.bodies("/completion")) == 2  # the trial, and what was left to write


def test_without_a_question_there_must_be_a_reply_to_go_on_with(run):
    assert run("ask", "How much?", "--no-stdin")[0] == Exit.OK
    code, _, err = run("ask", "-c", "--no-stdin")
    assert code == Exit.USAGE
    assert "no unfinished reply to resume" in err


def test_a_run_that_is_not_saved_is_not_said_to_be_gone_on_with(run, server):
    fails_at(server, 1, THIRD)
    assert "continues from" not in run("ask", "How much?", "--no-stdin", "--no-log")[2]


def test_asking_a_busy_server_again_is_said(run, server):
    fails_at(server, 1, Fault(503, {"Retry-After": "0"}))
    code, out, _ = run("ask", "How much?", "--no-stdin", "--format", "json")
    assert code == Exit.OK
    assert json.loads(out)["warnings"] == [f"{server.url} was busy (503) and was asked again after 0 s"]


def test_a_batch_ends_where_the_server_is_away_and_goes_on_with_the_same_item(run, server, tmp_path):
    (tmp_path / "in.txt").write_text("One?\nTwo?\nThree?\n")
    words = (str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.jsonl"))
    fails_at(server, 2, *[Fault(503, {"Retry-After": "3600"})])
    code, _, err = run("batch", *words)
    assert code == Exit.DOWNLOAD
    assert "Run the same command again to resume." in err
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 1
    assert run("batch", *words)[0] == Exit.OK
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [(record["id"], record["error"]) for record in records] == [(1, None), (2, None), (3, None)]


def test_an_item_that_the_server_refuses_does_not_end_a_batch(run, server, tmp_path):
    (tmp_path / "in.txt").write_text("One?\nTwo?\n")
    fails_at(server, 1, Fault(413))
    code, _, _ = run("batch", str(tmp_path / "in.txt"), "-o", str(tmp_path / "out.jsonl"))
    assert code == Exit.FAILURE
    records = [json.loads(line) for line in (tmp_path / "out.jsonl").read_text().splitlines()]
    assert [bool(record["error"]) for record in records] == [True, False]
    assert records[0]["finish_reason"] == "failed"


def test_a_server_that_serves_another_model_than_the_one_named_is_refused(run, server, capsys):
    for name, code in (("scripted", Exit.OK), ("mine", Exit.DOWNLOAD)):
        words = ["--mode", "target", "--target", f"{server.url}#{name}", "-n", "400", "--no-stdin"]
        assert main(["ask", "Hello", *words]) == code
    assert f"{server.url} serves scripted, not mine." in capsys.readouterr().err
