"""`confspec batch`: one record a prompt, whatever happens on the way."""

import io
import json
import os
import random
import signal
import sys
import time

import pytest
from support.scripted_runs import CONFIG, STEPS, child, models

from confspec_cli.app import main
from confspec_cli.commands.batch import Job
from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import ModelCard
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import EngineError, Exit
from confspec_cli.runtime.crew import Crew
from confspec_cli.storage.batch_input import Item, read_items, remaining

ITEMS = [Item(n, f"What is {n}?") for n in (1, 2, 3)]


class Watched:
    """Notes what a batch tells of."""

    def __init__(self):
        self.failures = []
        self.warnings = []

    def counted(self, failed):
        self.failures.append(failed)

    def warned(self, message):
        self.warnings.append(message)


GUESS = "these two models have no tuned thresholds; using cautious defaults"


def worked(items, pair=None, interrupt=None, earlier=None, write=None):
    """The records of a job over these items, and what was told of it."""
    records, watch = [], Watched()
    job = Job(Crew([pair or models()], {}, interrupt or Interrupt()), CONFIG, None)
    job.work(items, write or records.append, watch, earlier)
    return records, watch


def test_a_record_is_the_document_of_its_run_with_an_id():
    records, watch = worked(ITEMS)
    assert [record["id"] for record in records] == [1, 2, 3]
    assert [record["prompt"] for record in records] == [item.prompt for item in ITEMS]
    for record in records:
        assert record["schema_version"] == 2
        assert record["answer"] == "42"
        assert record["reply"] == "".join(STEPS)
        assert record["finish_reason"] == "stop"
        assert record["error"] is None
        assert [step["origin"] for step in record["steps"]]
    assert watch.failures == [False] * 3


def test_an_item_s_own_system_prompt_stands_in_place_of_the_batch_s():
    items = [Item(1, "x"), Item(2, "x", "Be brief."), Item(3, "x", "")]
    own, given, none = (record["system"] for record in worked(items)[0])
    assert (own[:6], given, none) == ("Reason", "Be brief.", "")


def test_a_failing_item_is_a_record_and_the_rest_goes_on():
    long = Item(2, "word " * 5000)
    records, watch = worked([ITEMS[0], long, ITEMS[2]])
    assert [record["error"] is None for record in records] == [True, False, True]
    assert "5026 tokens long" in records[1]["error"]
    assert records[1]["prompt"] == long.prompt
    assert watch.failures == [False, True, False]


def test_an_item_that_fails_in_its_middle_keeps_its_steps():
    class Breaking(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            if len(prompt.reply) == 1:
                raise EngineError("It broke.")
            return super().generate(prompt, sampling, max_tokens)

    (record,), _ = worked(ITEMS[:1], {author: Breaking(STEPS) for author in Author})
    assert record["error"] == "It broke."
    assert record["finish_reason"] == "failed"
    assert [step["text"] for step in record["steps"]] == [STEPS[0]]


def test_an_interrupted_item_is_not_written_and_the_batch_ends():
    pair = models()
    interrupt = pair[Author.DRAFT].interrupt

    def write(record):
        records.append(record)
        interrupt.set()

    records = []
    worked(ITEMS, pair, interrupt, write=write)
    assert [record["id"] for record in records] == [1]

    class Stopping(ScriptedEngine):
        def generate(self, prompt, sampling, max_tokens):
            if len(prompt.reply) == 2:
                self.interrupt.set()
            return super().generate(prompt, sampling, max_tokens)

    interrupt = Interrupt()
    records, _ = worked(ITEMS, {author: Stopping(STEPS, interrupt=interrupt) for author in Author}, interrupt)
    assert records == []


def test_records_made_otherwise_are_warned_of_once():
    other = {**models(), Author.TARGET: ScriptedEngine(STEPS, card=ModelCard("other", "", 0, 4096))}
    earlier = {"mode": "confspec", "draft model": "scripted", "target model": "scripted"}
    records, _ = worked(ITEMS[:1])
    same = {**earlier, **records[0]["parameters"]}
    assert worked(ITEMS, earlier=same)[1].warnings == []
    assert worked(ITEMS, other, earlier=same)[1].warnings == [
        "earlier records in this file used a different target model"
    ]
    assert worked(ITEMS, earlier={**same, "accept": 0.5, "seed": 7})[1].warnings == [
        "earlier records in this file used a different accept"
    ]


WORKS_AND_IS_KILLED = """
import sys
from pathlib import Path
from confspec_cli.commands.batch import Job
from confspec_cli.core.engine import Interrupt
from confspec_cli.runtime.crew import Crew
from confspec_cli.storage.batch_input import read_items, remaining
from confspec_cli.storage.jsonl_log import JsonlLog
from support.scripted_runs import CONFIG, models

class Watch:
    def counted(self, failed):
        print("written", flush=True)

    def warned(self, message):
        sys.exit(message)

output = JsonlLog(Path(sys.argv[2]))
items = read_items(Path(sys.argv[1]).read_text(), sys.argv[1])
left, _ = remaining(items, output.lines(), sys.argv[2])
Job(Crew([models(delay=0.0004)], {}, Interrupt()), CONFIG, None).work(left, output.append, Watch())
"""


def test_a_batch_of_100_killed_ten_times_and_resumed_has_100_records_each_once_and_in_order(tmp_path):
    choice = random.Random(11)
    given, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps({"id": f"item-{n}", "question": f"What is {n}?"}) for n in range(100)]
    given.write_text("\n".join(lines))
    begun = []
    for _ in range(10):
        with child(WORKS_AND_IS_KILLED, str(given), str(output)) as process:
            for _ in range(choice.randrange(1, 8)):
                process.stdout.readline()
            time.sleep(choice.uniform(0.0, 0.03))
            process.kill()
        begun.append(len(output.read_bytes().splitlines()))
    assert begun == sorted(begun)
    assert begun[-1] < 100
    with output.open("ab") as file:
        file.write(b'{"id": "item-')  # as a dying machine may leave it
    with child(WORKS_AND_IS_KILLED, str(given), str(output)) as process:
        process.stdout.read()
    assert process.returncode == 0
    records = [json.loads(line) for line in output.read_text().splitlines()]
    assert [record["id"] for record in records] == [f"item-{n}" for n in range(100)]
    assert [record["prompt"] for record in records] == [item.prompt for item in read_items(given.read_text(), "in")]
    assert {record["answer"] for record in records} == {"42"}


def test_half_a_surrogate_pair_is_an_error_of_its_item_alone():
    items = read_items('{"prompt": "one"}\n{"prompt": "a\\ud800b", "id": "\\udfff"}\n{"prompt": "three"}', "in")
    records, _ = worked(items)
    assert [record["answer"] for record in records] == ["42", None, "42"]
    assert "half of a surrogate pair (U+D800)" in records[1]["error"]
    assert remaining(items, [json.dumps(record) for record in records], "out") == ([], 1)


# The command, on tiny real models


@pytest.fixture
def batch(tiny, tmp_path, monkeypatch):
    """Run the command on tiny models over these lines."""
    for variable, folder in (("CONFSPEC_CONFIG_DIR", "config"), ("CONFSPEC_MODELS", "models"), ("HF_HUB_CACHE", "hub")):
        monkeypatch.setenv(variable, str(tmp_path / folder))
    monkeypatch.setenv("CONFSPEC_DRAFT", str(tiny("llama", seed=2)))
    monkeypatch.setenv("CONFSPEC_TARGET", str(tiny("llama", seed=3, vocab="other")))
    monkeypatch.chdir(tmp_path)

    def run(text, *arguments):
        (tmp_path / "in.txt").write_text(text)
        return main(["batch", "in.txt", "-n", "12", "--context", "256", "--threads", "2", *arguments])

    return run


def test_records_go_to_stdout_and_progress_to_stderr(batch, capsys):
    assert batch("Hello\nAgain\n") == Exit.OK
    out, err = capsys.readouterr()
    assert [json.loads(line)["id"] for line in out.splitlines()] == [1, 2]
    assert err.splitlines()[-1].startswith("2 of 2 records, in")
    assert batch("Hello\n", "-q") == Exit.OK
    assert capsys.readouterr().err == f"warning: {GUESS}\n"


def test_prompts_can_come_through_a_pipe(batch, capsys, monkeypatch):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"question": "Hello", "id": "a"}')))
    assert main(["batch", "-", "-n", "8", "-q"]) == Exit.OK
    assert json.loads(capsys.readouterr().out)["id"] == "a"


def test_a_file_of_records_is_gone_on_with_and_its_failures_are_remembered(batch, capsys, tmp_path):
    long = "word " * 400
    assert batch(f"Hello\n{long}\n", "-o", "out") == Exit.FAILURE
    first = (tmp_path / "out").read_text()
    assert "1 failed" in capsys.readouterr().err
    assert batch(f"Hello\n{long}\nMore\n", "-o", "out", "-q") == Exit.FAILURE
    assert (tmp_path / "out").read_text().startswith(first)
    assert [json.loads(line)["id"] for line in (tmp_path / "out").read_text().splitlines()] == [1, 2, 3]
    assert capsys.readouterr().out == ""


def test_what_is_done_loads_no_models(batch, capsys, monkeypatch):
    batch("Hello\n", "-o", "out")
    capsys.readouterr()
    monkeypatch.setenv("CONFSPEC_TARGET", "/no/such.gguf")
    assert batch("Hello\n", "-o", "out") == Exit.OK
    assert capsys.readouterr().err == "Already complete: 1 record in out\n"


def test_other_settings_than_those_of_the_records_are_warned_of(batch, capsys):
    batch("Hello\n", "-o", "out", "-q")
    batch("Hello\nAgain\n", "-o", "out", "-q", "--accept", "0.3")
    doubted = f"warning: {GUESS}\n"
    assert capsys.readouterr().err == 2 * doubted + "warning: earlier records in this file used a different accept\n"


def test_a_gate_that_was_chosen_by_the_machine_is_no_other_setting(batch, capsys, tmp_path):
    batch("Hello\n", "-o", "out", "-q")
    record = json.loads((tmp_path / "out").read_text())
    record["parameters"] |= {"gate": "read-0.1", "accept": 1.0, "target": 0.1}
    (tmp_path / "out").write_text(json.dumps(record) + "\n")
    capsys.readouterr()
    batch("Hello\n", "-o", "out", "-q")
    assert capsys.readouterr().err == ""


def test_a_finished_batch_warns_of_other_settings_too(batch, capsys):
    batch("Hello\n", "-o", "out", "-q")
    capsys.readouterr()
    batch("Hello\n", "-o", "out", "-q", "--accept", "0.3")
    assert capsys.readouterr().err == "warning: the records in out were made with another accept\n"


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none.txt"], Exit.USAGE, "No such file: none.txt"),
        (["latin"], Exit.USAGE, "0xe9 at offset 3"),
        (["empty"], Exit.USAGE, "no prompts"),
        (["in.txt", "-o", "in.txt"], Exit.USAGE, "not a record of this batch"),
        (["in.txt", "-o", "."], Exit.STORAGE, "is not a regular file"),
        (["in.txt", "-o", "/dev/zero"], Exit.STORAGE, "is not a regular file"),
        (["/dev/zero"], Exit.USAGE, "longer than 64 MiB"),
        (["in.txt", "-o", "no/out"], Exit.STORAGE, "no/out cannot be written"),
        (["in.txt", "--mode", "target", "--accept", "0.2"], Exit.USAGE, "has no gate"),
        (["in.txt", "--draft", "nobody"], Exit.MODEL_MISSING, "nobody"),
    ],
)
def test_a_mistake_is_one_sentence_before_anything_is_written(batch, capsys, tmp_path, arguments, code, words):
    (tmp_path / "in.txt").write_text("Hello\n")
    (tmp_path / "latin").write_bytes(b"caf\xe9")
    (tmp_path / "empty").write_text("\n")
    assert main(["batch", *arguments]) == code
    out, err = capsys.readouterr()
    assert out == ""
    assert words in err
    assert (tmp_path / "in.txt").read_text() == "Hello\n"


def test_a_terminal_with_nothing_piped_in_is_not_waited_for(batch, capsys, monkeypatch):
    stream = io.StringIO()
    stream.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", stream)
    assert main(["batch", "-"]) == Exit.USAGE
    assert "nothing is piped in" in capsys.readouterr().err


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, Exit.INTERRUPTED), (signal.SIGTERM, Exit.TERMINATED)])
def test_a_signal_ends_the_batch_with_everything_finished_written(batch, tmp_path, tiny, monkeypatch, number, code):
    monkeypatch.setenv("CONFSPEC_TARGET", str(tiny("llama", bias={"<|im_end|>": -40, "<|end|>": -40})))
    (tmp_path / "in.txt").write_text("".join(f"Hello {n}\n" for n in range(500)))
    run = (
        "import sys; from confspec_cli.__main__ import run; "
        "sys.argv[1:1] = ['batch', 'in.txt', '-o', 'out', '-q']; run()"
    )
    with child(run, "--mode", "target", "-n", "100") as process:
        while not (tmp_path / "out").exists() or (tmp_path / "out").stat().st_size < 2000:
            assert process.poll() is None
            time.sleep(0.02)
        os.kill(process.pid, number)
    assert process.returncode == code
    records = [json.loads(line) for line in (tmp_path / "out").read_text().splitlines()]
    assert [record["id"] for record in records] == list(range(1, len(records) + 1))
    assert 0 < len(records) < 500
    assert {record["finish_reason"] for record in records} == {"length"}


@pytest.mark.parametrize(
    ("prompts", "options", "task"),
    [
        ("What is 2 + 2?\nWhat is 3 + 3?\nName a colour.\n", [], "math"),
        ("Name a colour.\nName a river.\nWhat is 2 + 2?\n", [], "plain"),
        ("Name a colour.\n", ["--task", "code"], "code"),
    ],
)
def test_the_kind_of_work_is_that_of_most_prompts_unless_it_is_given(batch, capsys, prompts, options, task):
    batch(prompts, "-q", *options)
    records = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert {record["parameters"]["task"] for record in records} == {task}
