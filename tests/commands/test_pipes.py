"""`confspec ask` among other programs: loops, xargs, timeout, cron, closed streams. Whole processes, tiny models."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.fixture
def shell(tiny, tmp_path):
    """Run a line of bash in which `$ASK` is a quick `confspec ask`."""

    def run(line, given=None, env=None, **more):
        draft = tiny("llama", seed=2, bias={"Yes": 5, "No": 5})
        target = tiny("llama", seed=3, vocab="other", bias={"Yes": 5, "No": 5})
        command = f"{sys.executable} -m confspec_cli ask --draft {draft} --target {target} -n 30 --threads 2"
        usual = {
            "PATH": os.environ["PATH"],
            "PYTHONPATH": str(ROOT),
            "HOME": str(tmp_path),
            "CONFSPEC_CONFIG_DIR": str(tmp_path / "config"),
        }
        return subprocess.run(
            ["bash", "-c", line],
            input=given,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
            env={**usual, "ASK": f"{command} --mode draft", "TARGET": f"{command} --mode target", **(env or {})},
            **more,
        )

    return run


def prompts(text):
    records = [json.loads(line) for line in text.splitlines()]
    return [record["prompt"] for record in records if record["event"] == "RunStarted"]


def test_a_while_read_loop_over_a_file_asks_once_a_line(shell, tmp_path):
    (tmp_path / "questions").write_text("one\ntwo\nthree\n", encoding="utf-8")
    done = shell(f'while read -r q; do $ASK "$q" --format jsonl; done < {tmp_path}/questions')
    assert prompts(done.stdout) == ["one", "two", "three"]
    assert done.returncode in (0, 8)


def test_in_such_a_loop_what_was_left_alone_is_told(shell, tmp_path):
    (tmp_path / "questions").write_text("one\ntwo\n", encoding="utf-8")
    done = shell(f'while read -r q; do $ASK "$q" -q; done < {tmp_path}/questions')
    assert done.stderr.count("so it was not read") == 2
    done = shell(f'while read -r q; do $ASK "$q" -q --no-stdin; done < {tmp_path}/questions')
    assert "was not read" not in done.stderr


def test_a_loop_over_a_pipe_asks_once_a_line_where_it_says_no_stdin(shell):
    line = 'printf "one\\ntwo\\n" | while read -r q; do $ASK "$q" --no-stdin --format jsonl; done'
    assert prompts(shell(line).stdout) == ["one", "two"]


@pytest.mark.parametrize("command", ['$ASK "and?" --format jsonl', "$ASK - --format jsonl"])
def test_standard_input_that_does_not_block_is_waited_for(shell, command, tmp_path):
    (tmp_path / "late.py").write_text(
        "import os, subprocess, sys, time\n"
        "out, into = os.pipe(); os.set_blocking(out, False)\n"
        "asked = subprocess.Popen(['bash', '-c', sys.argv[1]], stdin=out)\n"
        "time.sleep(0.5); os.write(into, b'notes\\n'); os.close(into); asked.wait()\n"
    )
    done = shell(f"{sys.executable} {tmp_path}/late.py '{command}'")
    assert "Traceback" not in done.stderr
    assert prompts(done.stdout)[0].startswith("notes")


def test_a_file_named_dash_is_what_was_piped(shell):
    done = shell("echo piped | $ASK 'and?' -f - --no-stdin --format jsonl")
    assert prompts(done.stdout) == ["piped\n\nand?"]


def test_input_without_an_end_is_refused(shell):
    done = shell("yes | $ASK 'and?'")
    assert (done.returncode, "longer than 64 MiB" in done.stderr) == (2, True)


def test_a_file_as_standard_input_is_read_whole(shell, tmp_path):
    (tmp_path / "text").write_text("the text\n", encoding="utf-8")
    assert prompts(shell(f"$ASK 'what is it?' --format jsonl < {tmp_path}/text").stdout) == ["the text\n\nwhat is it?"]


def test_xargs_asks_once_an_argument(shell):
    done = shell('printf "one\\ntwo words\\n" | xargs -d "\\n" -n 1 $ASK --format jsonl')
    assert prompts(done.stdout) == ["one", "two words"]


def test_term_ends_it_with_what_there_is(shell, tiny, tmp_path):
    endless = tiny("llama", bias={"<|im_end|>": -40, "<|end|>": -40})
    reply = tmp_path / "reply"
    line = (
        f"$TARGET Hello --target {endless} -n 1900 --max-step-tokens 20 >{reply} & "
        f"while [ ! -s {reply} ] && kill -0 $!; do sleep 0.05; done; kill -TERM $!; wait $!; echo code $?"
    )
    done = shell(line)
    assert done.stdout == "code 143\n"
    assert reply.read_text().strip()
    assert "Traceback" not in done.stderr


def test_cron_has_no_terminal_no_input_and_no_home(shell, tmp_path):
    done = shell('env -i PATH="$PATH" PYTHONPATH="$PYTHONPATH" $ASK Hello </dev/null | cat', cwd=tmp_path)
    assert done.stdout.strip()
    assert "\x1b" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- 2>&-"])
def test_a_closed_stream_is_nobody_listening(shell, closed):
    done = shell(f"$ASK Hello {closed}; echo code $? >&2")
    assert "Traceback" not in done.stderr
    assert bool(done.stdout.strip()) is (">&-" not in closed.replace("2>&-", ""))
    if "2>&-" not in closed:
        assert done.stderr.strip().endswith(("code 0", "code 8"))


def test_a_reader_that_has_had_enough_ends_it_quietly(shell):
    done = shell("$ASK Hello -q | true; echo ${PIPESTATUS[0]}")
    assert done.stderr == ""


def test_the_answer_alone_reaches_the_next_program(shell, tmp_path):
    (tmp_path / "schema.json").write_text('{"enum": ["red", "green"]}', encoding="utf-8")
    done = shell(f"$TARGET Hello --schema {tmp_path}/schema.json | {sys.executable} -m json.tool")
    assert json.loads(done.stdout) in ("red", "green")


@pytest.mark.parametrize("name", ["bash", "zsh", "fish"])
def test_the_completion_script_of_each_shell_is_printed(name):
    env = {**os.environ, "PYTHONPATH": str(ROOT), "_CONFSPEC_COMPLETE": f"source_{name}"}
    code = "from confspec_cli.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.returncode == 0
    assert "_CONFSPEC_COMPLETE" in done.stdout
    assert done.stderr == ""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("confspec ask --pair st", ["starter"]),
        ("confspec ask --draft smol", ["smollm2-135m-q4_1"]),
        ("confspec pull ti", ["tiny"]),
        ("confspec pull smol", ["smollm2-135m-q4_1"]),
        ("confspec ask -t ve", ["verse"]),
        ("confspec ask --task co", ["code"]),
        ("confspec ask --pair zz", []),
    ],
)
def test_tab_offers_names(tmp_path, words, offered):
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates" / "verse.yaml").write_text("system: x\n", encoding="utf-8")
    env = {
        **os.environ,
        "PYTHONPATH": str(ROOT),
        "CONFSPEC_CONFIG_DIR": str(tmp_path),
        "_CONFSPEC_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split()) - 1),
    }
    code = "from confspec_cli.__main__ import run; run()"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env=env)
    assert done.stdout.split() == offered
    assert done.stderr == ""


@pytest.mark.parametrize("command", ["--help", "--version", "models"])
def test_a_full_disk_under_stdout_is_a_sentence(shell, command):
    done = shell(f"{sys.executable} -m confspec_cli {command} > /dev/full")
    assert done.returncode == 9
    assert done.stderr == "confspec: Cannot write the output: No space left on device.\n  df -h\n"


def test_a_full_disk_under_both_streams_is_an_exit_code(shell):
    assert shell(f"{sys.executable} -m confspec_cli --help > /dev/full 2>&1").returncode == 9
