"""`-o FILE` of batch, bench and calibrate: a file that is not ours is refused, and keeps every byte it has."""

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit

FOREIGN = [b'[{"id": 1}]', b"one secret line", b'{"question": "1 + 1?", "answer": "2"}', b"one\ntwo", b"\0" * 64]
COMMANDS = [
    ["batch", "problems.jsonl", "--mode", "target", "--target", "no-model.gguf"],
    ["bench", "problems.jsonl", "--modes", "target", "--target", "no-model.gguf"],
    ["calibrate", "starter", "problems.jsonl"],
]


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "problems.jsonl").write_text('{"question": "2 + 2?", "answer": "4"}\n')
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
@pytest.mark.parametrize("foreign", FOREIGN)
@pytest.mark.parametrize("linked", [False, True])
def test_a_file_that_is_not_ours_is_refused_and_left_as_it_is(folder, capsys, command, foreign, linked):
    (folder / "precious").write_bytes(foreign)
    (folder / "link").symlink_to("precious")
    assert main([*command, "-o", "link" if linked else "precious"]) == Exit.USAGE
    assert "Line 1 of " in capsys.readouterr().err
    assert (folder / "precious").read_bytes() == foreign
    assert (folder / "link").is_symlink()


@pytest.mark.parametrize("command", COMMANDS, ids=lambda command: command[0])
def test_the_input_is_not_taken_for_the_output(folder, command):
    problems = folder / "problems.jsonl"
    problems.write_text(problems.read_text().rstrip("\n"))
    before = problems.read_bytes()
    assert main([*command, "-o", "problems.jsonl"]) == Exit.USAGE
    assert problems.read_bytes() == before
