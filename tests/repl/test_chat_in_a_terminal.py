"""`confspec chat` as a person has it: in a pseudo-terminal, with tiny real models."""

import os
import re
import signal
import stat
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pexpect
import pytest
from support.terminal import in_terminal

from confspec_cli.core.events import StepJudged
from confspec_cli.core.trace import Cause
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.runtime.folders import models_folder
from confspec_cli.storage.session_store import SessionStore

ENDLESS = {"<|im_end|>": -40, "<|end|>": -40}
PROMPT = "\x1b\\[\\?2004h"  # the prompt asks for bracketed paste, and a run does not
COMMITTED = r"\d (✓|▲|↻|·) (draft|escalated|target)"
CTRL_C, CTRL_D, CTRL_J, CTRL_Z = "\x03", "\x04", "\n", "\x1a"
CSI = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")


@pytest.fixture
def env(tmp_path):
    """An environment of its own."""
    given = {
        **os.environ,
        "TERM": "xterm-256color",
        "PROMPT_TOOLKIT_NO_CPR": "1",
        "CONFSPEC_CONFIG_DIR": str(tmp_path / "config"),
        "CONFSPEC_MODELS": str(tmp_path / "models"),
        "CONFSPEC_SESSIONS": str(tmp_path / "sessions"),
        "CONFSPEC_HISTORY": str(tmp_path / "history"),
    }
    return {name: value for name, value in given.items() if name not in ("NO_COLOR", "CI", "FORCE_COLOR")}


@pytest.fixture
def flags(tiny):
    """Two tiny models that end their turns."""
    draft = tiny("llama", seed=2, bias={"Yes": 5, "No": 5})
    target = tiny("llama", seed=3, vocab="other", bias={"Yes": 5, "No": 5})
    return ["--draft", str(draft), "--target", str(target), "--threads", "2", "-n", "60"]


@pytest.fixture
def endless(tiny):
    """Two tiny models that never do."""
    draft = tiny("llama", seed=2, bias={"Yes": 5, "No": 5, **ENDLESS})
    target = tiny("llama", seed=3, vocab="other", bias={"Yes": 5, "No": 5, **ENDLESS})
    return ["--draft", str(draft), "--target", str(target), "--threads", "2", "-n", "1900"]


@contextmanager
def chatting(env, arguments):
    """A chat that has come to its first prompt, and is gone afterwards."""
    child = in_terminal([sys.executable, "-m", "confspec_cli", "chat", *arguments], env, rows=30, width=100)
    try:
        child.expect(PROMPT)
        time.sleep(0.1)
        yield child
    finally:
        child.close(force=True)


def say(child, text):
    """Type a line, and wait until the next prompt; what was shown meanwhile."""
    child.send(f"{text}\r")
    child.expect(PROMPT)
    time.sleep(0.05)
    return CSI.sub("", child.before)


def leave(child):
    child.send(CTRL_D)
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0
    assert "Traceback" not in child.before


def latest(env):
    """The session that was recorded last."""
    return SessionStore(Path(env["CONFSPEC_SESSIONS"])).latest()


def users(env):
    return [turn.user for turn in latest(env).turns()]


def test_a_conversation_of_two_turns_reads_in_the_second_only_what_is_new(env, flags):
    with chatting(env, flags) as child:
        say(child, "/set stats on")
        first = say(child, "What is it? " * 40)
        second = say(child, "Why?")
        leave(child)
    read = [int(re.search(r"new tokens \(draft (\d+)", text)[1]) for text in (first, second)]
    assert read[0] > 200
    assert read[1] < 120
    assert len(users(env)) == 2


def test_a_message_of_several_lines_goes_whole(env, flags):
    with chatting(env, flags) as child:
        child.send(f"one{CTRL_J}two\r")
        child.expect("tokens/s")
        child.expect(PROMPT)
        child.send("\x1b[200~three\nfour\x1b[201~\r")
        child.expect("tokens/s")
        child.expect(PROMPT)
        leave(child)
    assert users(env) == ["one\ntwo", "three\nfour"]


def test_ctrl_c_stops_the_answer_and_keeps_the_conversation(env, endless):
    with chatting(env, endless) as child:
        child.send("Go on and on\r")
        child.expect(COMMITTED)
        pressed = time.monotonic()
        child.send(CTRL_C)
        child.expect("Interrupted")
        child.expect(PROMPT)
        assert time.monotonic() - pressed < 5
        child.send("Another\r")
        child.expect(COMMITTED)
        child.send(CTRL_C)
        child.expect(PROMPT)
        assert "Step 1 of" in say(child, "/why 1")
        leave(child)
    turns = latest(env).turns()
    assert [turn.reason for turn in turns] == ["interrupted", "interrupted"]
    assert turns[0].reply


def test_why_undo_and_an_unknown_command_answer_in_words(env, flags):
    with chatting(env, flags) as child:
        assert "There is no answer yet." in say(child, "/why")
        say(child, "Hello")
        told = say(child, "/why 1")
        assert "label mass" in told
        assert "least likely token" in told
        assert 'did you mean "/undo"?' in say(child, "/undoo")
        assert "Removed the last turn; none left." in say(child, "/undo")
        leave(child)
    assert users(env) == []


def test_keys_act_while_it_reasons(env, endless):
    with chatting(env, endless) as child:
        child.send("Go on and on\r")
        child.expect("… (draft|target)")
        child.send("\x1bs")
        child.expect(r"step \d.*Alt-s steps")
        child.send("\x1bs")
        time.sleep(0.05)
        child.send("\x1bt")
        child.expect("Alt-t: the target takes over from here")
        child.send(CTRL_C)
        child.expect(PROMPT)
        leave(child)


def test_what_is_typed_while_it_reasons_waits_on_the_prompt(env, endless):
    with chatting(env, endless) as child:
        child.send("Go on and on\r")
        child.expect(COMMITTED)
        child.delaybeforesend = None
        for key in "what about tea?\r":
            child.send(key)
            time.sleep(0.005)
        child.send(CTRL_C)
        child.expect("Interrupted")
        child.expect(PROMPT)
        child.expect("what about tea\\?")
        child.send(CTRL_C)
        child.expect(PROMPT)
        leave(child)
    (turn,) = latest(env).turns()
    causes = {event.cause for event in turn.events if isinstance(event, StepJudged)}
    assert not causes & {Cause.ANSWER_NOW, Cause.ESCALATE_STEP, Cause.TARGET_FROM_HERE}


@pytest.mark.parametrize("command", ["chat", "ask 'Go on and on'"])
def test_ctrl_z_gives_the_terminal_back_and_fg_goes_on(env, endless, tmp_path, command):
    argv = ["/bin/bash", "--norc", "--noprofile", "--noediting", "-i"]
    shell = in_terminal(argv, {**env, "PS1": "shell> "}, rows=30, width=100)
    try:
        shell.sendline(f"cd {tmp_path} && stty -a > before; echo rea''dy")
        shell.expect("ready")
        shell.sendline(" ".join([sys.executable, "-m", "confspec_cli", command, *endless]))
        if command == "chat":
            shell.expect(PROMPT)
            time.sleep(0.2)
            shell.send("Go on and on\r")
        shell.expect("… (draft|target)")
        shell.send(CTRL_Z)
        shell.expect("\x1b\\[\\?25h")
        shell.expect("Stopped")
        shell.sendline("stty -a | diff before - && echo the sa''me")
        shell.expect("the same")
        shell.sendline("fg")
        shell.expect("\x1b\\[\\?25l")  # drawn again, live
        shell.expect("… (draft|target)")
        shell.send(CTRL_C)
        shell.expect("Interrupted")
        if command == "chat":
            shell.expect(PROMPT)
            shell.send(CTRL_Z)
            shell.expect("Stopped")
            shell.sendline("fg")
            shell.expect(PROMPT)
            shell.send(CTRL_C)  # the question may be back on the prompt
            shell.expect(PROMPT)
            shell.send(CTRL_D)
        shell.sendline("echo o''ver")
        shell.expect("over")
        assert "Traceback" not in shell.before
    finally:
        shell.close(force=True)


def _leaves(shell, running):
    shell.send(CTRL_D)
    return 0


def _quits_in_mid_answer(shell, running):
    shell.send("Go on and on\r")
    shell.expect(COMMITTED)
    shell.send(CTRL_C)
    shell.expect(PROMPT)
    shell.send("/quit\r")
    return 0


def _is_terminated(shell, running):
    os.kill(running, signal.SIGTERM)
    return 143


def _is_terminated_in_mid_answer(shell, running):
    shell.send("Go on and on\r")
    shell.expect("… (draft|target)")
    os.kill(running, signal.SIGTERM)
    return 143


@pytest.mark.parametrize("end", [_leaves, _quits_in_mid_answer, _is_terminated, _is_terminated_in_mid_answer])
def test_the_terminal_is_as_it_was_however_the_chat_ends(env, endless, tmp_path, end):
    shell = in_terminal(["/bin/sh"], {**env, "PS1": "$ "}, rows=30, width=100)
    try:
        shell.sendline(f"cd {tmp_path} && stty -a > before; echo ready")
        shell.expect("\nready")
        shell.sendline(" ".join([sys.executable, "-m", "confspec_cli", "chat", *endless, "; echo code $?"]))
        shell.expect(PROMPT)
        time.sleep(0.2)
        running = subprocess.run(["pgrep", "-P", str(shell.pid)], capture_output=True, text=True, check=True)
        code = end(shell, int(running.stdout.split()[0]))
        shell.expect(f"code {code}\r")
        assert "Traceback" not in shell.before
        shell.sendline("stty -a | diff before - && echo the same")
        shell.expect("\nthe same")
    finally:
        shell.close(force=True)


def test_bare_confspec_on_a_terminal_is_a_chat_and_without_one_it_is_help(env, flags):
    env = {**env, "CONFSPEC_DRAFT": flags[1], "CONFSPEC_TARGET": flags[3], "CONFSPEC_THREADS": "2"}
    argv = [sys.executable, "-m", "confspec_cli"]
    child = in_terminal(argv, env, rows=30, width=100)
    child.expect(PROMPT)
    leave(child)
    done = subprocess.run(argv, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    assert "Usage: confspec" in done.stdout
    refused = subprocess.run(
        [*argv, "chat"], env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False
    )
    assert refused.returncode == 2
    assert "confspec chat must run in a terminal" in refused.stderr


def test_after_kill_9_the_conversation_goes_on_where_it_was(env, flags, endless):
    with chatting(env, [*flags, "--session", "trip"]) as child:
        say(child, "Hello")
        os.kill(child.pid, signal.SIGKILL)
        child.expect(pexpect.EOF)
    with chatting(env, [*endless, "-c"]) as child:
        assert 'Resumed "trip" (1 turn).' in CSI.sub("", child.before)
        child.send("Go on and on\r")
        child.expect(COMMITTED)
        os.kill(child.pid, signal.SIGKILL)
        child.expect(pexpect.EOF)
    with chatting(env, [*flags, "--session", "trip"]) as child:
        assert 'Resumed "trip" (2 turns).' in CSI.sub("", child.before)
        say(child, "/undo")
        leave(child)
    assert users(env) == ["Hello"]


def test_nothing_is_saved_with_no_log_and_no_history(env, flags, tmp_path):
    with chatting(env, [*flags, "--no-log", "--no-history"]) as child:
        say(child, "Hello")
        leave(child)
    assert not (tmp_path / "sessions").exists()
    assert not (tmp_path / "history").exists()


def test_what_was_typed_is_kept_for_this_person_alone(env, flags, tmp_path):
    with chatting(env, flags) as child:
        say(child, "Hello")
        leave(child)
    assert "+Hello" in (tmp_path / "history").read_text()
    assert stat.S_IMODE((tmp_path / "history").stat().st_mode) == 0o600


def test_the_editor_opens_with_what_was_typed(env, flags, tmp_path):
    editor = tmp_path / "editor"
    editor.write_text('#!/bin/sh\nprintf "%s, edited" "$(cat "$1")" > "$1"\n')
    editor.chmod(0o755)
    with chatting({**env, "EDITOR": str(editor), "VISUAL": str(editor)}, flags) as child:
        child.send("Hello\x18\x05")
        child.expect(", edited")  # on the prompt, to be looked at before it is sent
        assert latest(env) is None
        child.send("!\r")
        child.expect("tokens/s")
        child.expect(PROMPT)
        leave(child)
    assert users(env) == ["Hello, edited!"]


def test_a_model_can_be_changed_and_only_that_one_is_loaded(env, flags, tiny):
    other = tiny("llama", seed=7)
    with chatting(env, flags) as child:
        say(child, "Hello")
        told = say(child, f"/target {other}")
        assert "loading target" in told
        assert "loading draft" not in told
        assert "No such file: /no/such.gguf." in say(child, "/draft /no/such.gguf")
        say(child, "Still there?")
        told = say(child, "/mode target")
        assert "loading" not in told
        leave(child)
    assert users(env) == ["Hello", "Still there?"]


@pytest.mark.model
def test_with_real_models_a_question_is_answered_stopped_and_gone_on_from(env):
    store = Store(models_folder(os.environ))
    if not all(store.find(model) for model in load(None).models_of("tiny")):
        pytest.skip("the models of tiny are not here: confspec pull tiny")
    env = {**env, "CONFSPEC_MODELS": str(store.folder)}
    with chatting(env, ["-p", "tiny", "--session", "real"]) as child:
        child.timeout = 120
        say(child, "What is 2 + 2? Answer briefly.")
        assert "Step 1 of" in say(child, "/why 1")
        child.send("A hen lays 5 eggs a week. How many eggs do 4 hens lay in 3 weeks?\r")
        child.expect(COMMITTED)
        child.send(CTRL_C)
        child.expect("Interrupted")
        child.expect(PROMPT)
        assert "Removed the last turn; 1 left." in say(child, "/undo")
        os.kill(child.pid, signal.SIGKILL)
        child.expect(pexpect.EOF)
    with chatting(env, ["-p", "tiny", "-c"]) as child:
        assert 'Resumed "real" (1 turn).' in CSI.sub("", child.before)
        leave(child)
