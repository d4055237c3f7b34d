"""What a paid server costs, in every command that runs its model."""

import json

import pytest
from support.scripted_server import ScriptedServer
from support.tiny_gguf import write

from confspec_cli.app import main
from confspec_cli.errors import Exit

TEXT = "One step, of as many words as it takes to be one.\n\nAnd another, which is the last of them: \\boxed{4}."


@pytest.fixture
def paid(monkeypatch, tmp_path):
    """A folder with a pair whose target is on a paid server."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path))
    write(tmp_path / "draft.gguf", "llama")
    with ScriptedServer(writes=TEXT) as server:
        price = "{input: 2, cached: 0.5, output: 10, currency: USD}"
        (tmp_path / "models.yaml").write_text(f"models: {{big: {{url: '{server.url}', price: {price}}}}}")
        yield server


OPTIONS = ["--draft", "draft.gguf", "--target", "big", "--always-draft", "--max-tokens", "400"]


def test_ask_says_it_below_the_reply_and_in_its_record(paid, capsys):
    assert main(["ask", "--no-stdin", "What is 2 + 2?", *OPTIONS, "--reject", "1", "--stats"]) == Exit.OK
    assert "target alone about 0.00" in capsys.readouterr().err
    assert main(["ask", "--no-stdin", "What is 2 + 2?", *OPTIONS, "--reject", "1", "--json"]) == Exit.OK
    record = json.loads(capsys.readouterr().out)
    sent = sum(len(body["prompt"]) for path, body, _ in paid.requests if path == "/completion" and "n_probs" in body)
    cost = record["stats"]["cost"]
    assert 0 < cost["total"]["USD"] < sent * 10e-6
    assert set(cost["target_alone"]) == {"USD"}
    assert record["models"]["target"]["price"] == {
        "input": 2.0,
        "output": 10.0,
        "currency": "USD",
        "cached": 0.5,
    }
    assert record["models"]["draft"]["price"] is None


def test_batch_has_it_in_every_record_and_the_sum_at_the_end(paid, capsys, tmp_path):
    (tmp_path / "prompts.txt").write_text("What is 2?\nWhat is 3?\n")
    assert main(["batch", "prompts.txt", "-o", "records.jsonl", *OPTIONS]) == Exit.OK
    last = capsys.readouterr().err.splitlines()[-1]
    costs = [
        json.loads(line)["stats"]["cost"]["total"]["USD"]
        for line in (tmp_path / "records.jsonl").read_text().splitlines()
    ]
    assert last.endswith(" USD")
    assert float(last.split()[-2]) == pytest.approx(sum(costs), rel=0.05)


def test_bench_compares_it_by_mode(paid, capsys, tmp_path):
    (tmp_path / "problems.jsonl").write_text('{"id": "a", "question": "What is 2 + 2?", "answer": "4"}\n')
    argv = ["bench", "problems.jsonl", "--modes", "target,confspec", "-o", "results.jsonl", "-q", *OPTIONS]
    assert main(argv) == Exit.OK
    said = capsys.readouterr().out
    table = said[said.index("mean cost a problem") :].splitlines()
    assert table[1].split() == ["mode", "USD"]
    assert [line.split()[0] for line in table[2:4]] == ["target", "confspec"]
    assert all(float(line.split()[1]) > 0 for line in table[2:4])


def test_show_says_the_price_and_a_wrong_one_is_refused_with_its_line(paid, capsys, tmp_path):
    assert main(["models", "show", "big"]) == Exit.OK
    assert "2 in (0.5 cached) and 10 out, USD a million tokens" in capsys.readouterr().out
    file = tmp_path / "models.yaml"
    file.write_text(file.read_text().replace("input: 2", "input: -2"))
    assert main(["models", "show", "big"]) == Exit.USAGE
    assert "models.yaml, line 1: price: no token costs less than nothing." in capsys.readouterr().err
    file.write_text(file.read_text().replace("input: -2", "inputs: 2"))
    assert main(["models", "show", "big"]) == Exit.USAGE
    assert 'there is no key "inputs" here; did you mean "input"?' in capsys.readouterr().err
