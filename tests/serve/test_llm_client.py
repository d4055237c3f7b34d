"""The real `llm`, told of the server as docs/serve.md says."""

import os
import subprocess
import sys

import pytest
from support.serving import serving

ANSWER = "This is the first step of it.\n\nAnd here is the second one.\n\nSo it is \\boxed{42}."


@pytest.fixture
def llm(tmp_path):
    with serving() as one:
        (tmp_path / "extra-openai-models.yaml").write_text(
            f"- model_id: pair\n  model_name: scripted\n  api_base: {one.api}\n  supports_tools: true\n"
        )
        env = {**os.environ, "LLM_USER_PATH": str(tmp_path), "OPENAI_API_KEY": "none", "NO_PROXY": "127.0.0.1"}

        def run(*argv):
            command = [sys.executable, "-m", "llm", "-m", "pair", *argv]
            return subprocess.run(
                command, env=env, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL
            )

        yield run


@pytest.mark.parametrize("flags", [(), ("--no-stream",), ("-s", "Be brief.", "-o", "temperature", "0.5")])
def test_llm_prints_the_answer(llm, flags):
    done = llm("What is 6 times 7?", *flags)
    assert (done.stdout, done.returncode) == (f"{ANSWER}\n", 0), done.stderr


def test_llm_says_why_tools_are_refused(llm):
    done = llm("What is 6 times 7?", "--tool", "llm_version")
    assert done.returncode != 0
    assert '"tools" is not supported' in done.stderr
