"""Sets of problems by name: from a hub on this machine, in the form each has on the real one."""

import io
import json

import pytest
from support.model_sources import at_hub, hub_of, served, sha256

from confspec_cli.app import main
from confspec_cli.errors import DownloadError, Exit, UsageError
from confspec_cli.evaluate.problems import AnswerKind, load_problems

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def parquet(rows):
    import pyarrow
    from pyarrow import parquet

    stream = io.BytesIO()
    parquet.write_table(pyarrow.Table.from_pylist(rows), stream)
    return stream.getvalue()


GPQA = (
    "Question,Correct Answer,Incorrect Answer 1,Incorrect Answer 2,Incorrect Answer 3\n"
    '"What, and\nwhere?",right,wrong one,wrong two,wrong three\n'
    "Why?,right,a,b,c\n"
)
FILES = {
    "datasets/openai/gsm8k/resolve/main/main/test-00000-of-00001.parquet": lambda: parquet(
        [{"question": "How many?", "answer": "First 2 * 500 = <<2*500=1000>>1000.\n#### 1,000"}]
    ),
    "datasets/HuggingFaceH4/MATH-500/resolve/main/test.jsonl": lambda: json.dumps(
        {"problem": "Half of $x$?", "answer": "\\frac{x}{2}", "solution": "", "level": 1}
    ).encode(),
    "datasets/openai/openai_humaneval/resolve/main/openai_humaneval/test-00000-of-00001.parquet": lambda: parquet(
        [{"task_id": "HumanEval/0", "prompt": "def f():\n", "test": "def check(f): ...", "entry_point": "f"}]
    ),
    "datasets/Idavidrein/gpqa/resolve/main/gpqa_diamond.csv": GPQA.encode,
}


@pytest.fixture
def hub(monkeypatch, tmp_path):
    def answer(method, path):
        content = FILES.get(path.removeprefix("/"), lambda: None)()
        if content is None:
            return 404, {"X-Error-Code": "RepoNotFound"}, b""
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{sha256(content)}"'}, content

    with served(answer) as address:
        at_hub(monkeypatch, tmp_path, address)
        monkeypatch.chdir(tmp_path)
        yield


def test_every_set_comes_in_the_form_that_bench_reads(hub):
    (gsm8k,) = load_problems("gsm8k")
    assert (gsm8k.answer, gsm8k.kind) == ("1000", AnswerKind.NUMBER)
    (math,) = load_problems("math-500")
    assert (math.answer, math.kind) == ("\\frac{x}{2}", AnswerKind.LATEX)
    (code,) = load_problems("humaneval")
    assert (code.id, code.kind, code.entry_point) == ("HumanEval/0", AnswerKind.CODE, "f")


def test_the_right_choice_is_shuffled_in_and_still_the_right_one(hub):
    for problem in load_problems("gpqa"):
        assert f"({problem.answer}) right" in problem.prompt
        assert problem.kind is AnswerKind.CHOICE
    assert load_problems("gpqa") == load_problems("gpqa")


def test_a_file_of_that_name_goes_first(hub, tmp_path):
    (tmp_path / "gsm8k").write_text('{"question": "Mine?", "answer": "1"}')
    assert load_problems("gsm8k")[0].prompt == "Mine?"


def test_a_gated_set_says_which_page_to_accept(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    with hub_of(monkeypatch, tmp_path, {}, error=(403, "GatedRepo")):
        with pytest.raises(DownloadError, match="Idavidrein/gpqa is gated: accept its terms at"):
            load_problems("gpqa")
        assert main(["bench", "gpqa"]) == Exit.DOWNLOAD
    assert "hf auth login" in capsys.readouterr().err


def test_where_no_hub_can_be_reached_that_is_said(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)

    def unreachable(*_, **__):
        raise ConnectionError("no route")

    monkeypatch.setattr("confspec_cli.models.hub.stated", unreachable)
    assert main(["bench", "gsm8k"]) == Exit.DOWNLOAD
    assert capsys.readouterr().err.endswith("confspec doctor\n")


def test_a_set_that_has_changed_its_form_is_told_and_not_guessed_at(hub, monkeypatch):
    monkeypatch.setitem(FILES, "datasets/HuggingFaceH4/MATH-500/resolve/main/test.jsonl", lambda: b'{"other": 1}')
    with pytest.raises(UsageError, match="has an unexpected format"):
        load_problems("math-500")
