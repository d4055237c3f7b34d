"""The library: what README.md shows of it runs, and importing it costs nothing."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from support.scripted_chat import REWRITTEN, STEPS, ScriptedPool, pool

import confspec_cli
from confspec_cli import Message, Mode, OpenPair, RunFinished, RunOptions, RunStarted, StepCommitted
from confspec_cli.errors import ModelMissing

ROOT = Path(__file__).parent.parent
REPLY = STEPS[0] + REWRITTEN[1] + STEPS[2]


def example():
    """The Python in README.md."""
    (code,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.S)
    return code


def test_every_public_name_is_there_and_no_other():
    for name in confspec_cli.__all__:
        assert getattr(confspec_cli, name)
    with pytest.raises(AttributeError):
        _ = confspec_cli.nothing


def test_importing_it_imports_nothing_else_of_ours():
    code = "import sys, confspec_cli; sys.exit(str([m for m in sys.modules if m.startswith('confspec_cli.')] or ''))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stderr.strip() == ""


def test_a_pair_reasons_step_by_step():
    with OpenPair(pool(), RunOptions()) as pair:
        events = list(pair.reason("What is it?"))
    assert "".join(event.step.text for event in events if isinstance(event, StepCommitted)) == REPLY
    assert isinstance(events[-1], RunFinished)


def test_a_question_can_follow_a_conversation_and_another_system_prompt():
    before = (Message("user", "Hello."), Message("assistant", "Hello!"))
    heard = []

    class Listening(ScriptedPool):
        def prompt(self, *given):
            heard.append(super().prompt(*given))
            return heard[-1]

    with OpenPair(Listening(pool().scripted), RunOptions()) as pair:
        started = next(pair.reason("What is it?", system="Be brief.", before=before))
    assert isinstance(started, RunStarted)
    assert (started.prompt, started.system) == ("What is it?", "Be brief.")
    assert heard[0].messages == (Message("system", "Be brief."), *before, Message("user", "What is it?"))


def test_ask_gives_the_end_of_the_run():
    with OpenPair(pool(), RunOptions()) as pair:
        finished = pair.ask("What is it?")
    assert (finished.reply, finished.answer, finished.reason) == (REPLY, "42", "stop")


def test_options_are_those_of_the_command_line():
    with OpenPair(pool(), RunOptions(mode=Mode.TARGET, max_tokens=7)) as pair:
        assert (pair.config.mode, pair.config.max_tokens) == (Mode.TARGET, 7)


def test_a_model_that_is_not_here_is_an_error_that_names_the_command(monkeypatch, tmp_path):
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path))
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    with pytest.raises(ModelMissing) as caught:
        confspec_cli.open_pair("qwen3-32b")
    assert caught.value.hint.startswith("confspec pull")


def test_the_example_in_the_readme_runs(monkeypatch, capsys):
    monkeypatch.setattr(confspec_cli, "open_pair", lambda name: OpenPair(pool(), RunOptions(pair=name)), raising=False)
    exec(compile(example(), "README.md", "exec"), {})
    assert "draft" in capsys.readouterr().out


@pytest.mark.model
def test_the_example_in_the_readme_runs_on_real_models(capsys):
    exec(compile(example(), "README.md", "exec"), {})
    assert "391" in capsys.readouterr().out
