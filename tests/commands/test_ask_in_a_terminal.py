"""What only a process and a terminal show: Ctrl-C, TERM, a pipe closed early, a resize, no terminal at all."""

import io
import os
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pexpect
import pytest
from support.screen import Screen
from support.terminal import in_terminal

ENDLESS = {"<|im_end|>": -40, "<|end|>": -40}


@pytest.fixture
def command(tiny, tmp_path):
    """An `ask` that goes on for long, as an argument list, and its environment."""
    draft = tiny("llama", seed=2, context=32768, bias={"Yes": 5, "No": 5, **ENDLESS})
    target = tiny("llama", seed=3, context=32768, vocab="other", bias={"Yes": 5, "No": 5, **ENDLESS})
    argv = [sys.executable, "-m", "confspec_cli", "ask", "--draft", str(draft), "--target", str(target)]
    argv += ["-n", "1900", "--threads", "2"]
    env = {
        **os.environ,
        "TERM": "xterm-256color",
        "CONFSPEC_CONFIG_DIR": str(tmp_path),
        "CONFSPEC_MODELS": str(tmp_path),
    }
    return argv, {name: value for name, value in env.items() if name not in ("NO_COLOR", "CI", "FORCE_COLOR")}


def spawn(command, *more):
    argv, env = command
    return in_terminal([*argv, *more], env)


def test_ctrl_c_stops_at_once_keeps_what_there_is_and_exits_130(command):
    child = spawn(command, "Hello")
    child.expect("… draft")
    pressed = time.monotonic()
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 130
    assert time.monotonic() - pressed < 5
    assert "\x1b[?25h" in child.before
    assert "nterrupted" in child.before
    assert "Traceback" not in child.before


@pytest.mark.parametrize("delay", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0])
def test_ctrl_c_at_any_moment_is_130_and_never_a_traceback(command, delay):
    child = spawn(command, "Hello", "-n", "30000", "--temperature", "1")  # which takes far longer than any delay
    time.sleep(delay)
    child.sendintr()
    child.expect(pexpect.EOF)
    child.close()
    # Before Python has begun, the signal itself ends the process, which a shell reports as 130 too.
    assert child.exitstatus == 130 or child.signalstatus == signal.SIGINT
    assert "Traceback" not in child.before


def test_term_ends_with_143_and_the_partial_reply_on_stdout(command):
    argv, env = command
    child = subprocess.Popen(
        [*argv, "Hello", "-q", "--mode", "target"], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE
    )
    with child:
        first = os.read(child.stdout.fileno(), 10)
        child.send_signal(signal.SIGTERM)
        rest = child.stdout.read()
    assert child.returncode == 143
    assert first + rest


def test_a_reader_that_has_had_enough_ends_it_quietly(command):
    argv, env = command
    child = subprocess.Popen(
        [*argv, "Hello", "--mode", "target"],
        env=env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with child:
        child.stdout.read(5)
        child.stdout.close()
        errors = child.stderr.read()
    assert child.returncode == 0
    assert "Broken" not in errors
    assert "Traceback" not in errors


def test_without_a_terminal_or_a_home_it_neither_hangs_nor_draws(command):
    argv, env = command
    bare = {name: env[name] for name in ("CONFSPEC_CONFIG_DIR", "CONFSPEC_MODELS", "PATH") if name in env}
    done = subprocess.run(
        [*argv, "Hello", "-n", "40"],
        env=bare,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 8
    assert done.stdout.strip()
    assert "\x1b" not in done.stdout + done.stderr


def test_what_was_piped_in_before_a_question_is_told_of_on_a_terminal(command):
    argv, env = command
    line = shlex.join([*argv, "and?", "-n", "5", "--mode", "draft"])
    child = in_terminal(["bash", "-c", f"printf 'one\\ntwo' | {line}"], env)
    child.expect(r"read 7 characters from stdin \(--no-stdin ignores it\)")
    child.expect(pexpect.EOF)
    child = in_terminal(["bash", "-c", f"printf 'one' | {line} --no-stdin"], env)
    child.expect(pexpect.EOF)
    assert "from stdin" not in child.before


def test_no_prompt_on_a_terminal_is_a_usage_error_and_not_a_hang(command):
    argv, env = command
    child = in_terminal(argv, env)
    child.expect("No question given")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 2


@pytest.mark.parametrize("narrow", [60, 120])
def test_a_resize_in_mid_step_leaves_every_committed_step_on_the_screen_once(command, narrow):
    child = spawn(command, "Hello", "-n", "120")
    child.expect("… draft")
    child.setwinsize(24, narrow)
    child.expect("tokens/s")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 8


def test_a_whole_run_is_drawn_once_and_the_live_region_is_gone(command):
    child = spawn(command, "Hello", "-n", "60")
    child.expect(pexpect.EOF)
    child.close()
    screen = Screen(80, 200)
    screen.write(child.before.rpartition("\x1b[2K")[2].replace("\r", ""))  # what follows the loading bars
    assert screen.text.count("tokens/s") == 1
    assert "… draft" not in screen.text
    assert "tokens/s" in screen.lines[-1]


@pytest.mark.parametrize("width", [40, 80, 200])
def test_piped_to_cat_the_reply_is_there_once_and_the_line_about_the_run_is_gone(command, width):
    argv, env = command
    line = [*argv, "Hello", "-n", "200", "--mode", "draft", "--seed", "1"]
    quiet = subprocess.run(
        [*line, "-q"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    piped = f"{shlex.join(line)} | cat"
    child = in_terminal(["bash", "-c", piped], env, width=width)
    child.logfile_read = io.StringIO()
    child.expect(r"step 1 · .*0:0\d")
    child.expect(pexpect.EOF)
    screen = Screen(width, 300)
    screen.write(child.logfile_read.getvalue())
    said = "".join(screen.text.split())
    assert said.count("".join(quiet.stdout.split())) == 1
    for gone in ("step 1", "Ctrl-C", "loading"):
        assert gone not in screen.text
    assert screen.cursor_shown


def test_while_it_runs_a_line_tells_of_it_and_none_of_it_stays(command):
    child = spawn(command, "Hello " * 200, "-n", "300")
    child.logfile_read = io.StringIO()
    child.expect(r"step \d+ · (\d+ tokens?/s · )?0:\d\d · Ctrl-C stop")
    child.expect(pexpect.EOF)
    screen = Screen(80, 300)
    screen.write(child.logfile_read.getvalue())
    assert "Ctrl-C" not in screen.text
    assert "loading" not in screen.text


def test_output_that_cannot_be_kept_is_exit_9(command):
    argv, env = command
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [*argv, "Hello", "-q", "-n", "40"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert done.returncode == 9
    assert b"No space left" in done.stderr
    assert b"Traceback" not in done.stderr


def test_llama_cpp_s_own_log_comes_with_vv_and_only_then(command):
    argv, env = command
    said = [
        subprocess.run(
            [*argv, "Hello", "-n", "5", *more],
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        ).stderr
        for more in ((), ("-vv",))
    ]
    assert "llama_model_loader" not in said[0]
    assert "llama_model_loader" in said[1]
