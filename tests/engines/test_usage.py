"""What an engine says it has sent and received is what a server has received and sent."""

import json
from contextlib import ExitStack

import pytest
from support.scripted_server import Fault, ScriptedServer
from support.small_runs import PROMPT, config

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.gate import Signal
from confspec_cli.core.price import Usage
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.trace import Author
from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile
from confspec_cli.engines.remote import RemoteSpec, open_remote
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ServerError

STEPS = tuple(f"Step {n} is of the length that steps have.\n\n" for n in range(4))


@pytest.fixture
def served(tiny):
    with ExitStack() as stack:

        def opened(kind):
            file = VocabularyFile(tiny("llama"))
            stack.callback(file.close)
            server = stack.enter_context(ScriptedServer(kind, "".join(STEPS), context=8192, vocab=file.vocab))
            spec = {"tokenizer": str(tiny("llama"))} if kind in ("vllm", "sglang") else {}
            engine = open_remote(RemoteSpec(server.url, **spec), Interrupt(), {})
            stack.callback(engine.close)
            server.requests.clear()
            return server, engine

        yield opened


def cascade(target):
    draft = ScriptedEngine([*STEPS[:2], "That is wrong, and is written again.\n\n", STEPS[3]], lambda _: {"Yes": 0.5})
    settings = config(signal=Signal.VERDICT, accept=1.0, target=0.5)
    list(ReasoningRun(PROMPT, {Author.DRAFT: draft, Author.TARGET: target}, settings, lambda: 0.0).events())


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama-server"])
def test_tokens_of_every_request_are_counted(served, kind):
    server, target = served(kind)
    server.doubts = "wrong"
    cascade(target)
    sent = [body.get("prompt") or body.get("input_ids") for _, body, _ in server.requests if body]
    prompts = [prompt for prompt in sent if isinstance(prompt, list)]
    assert target.usage.input == sum(map(len, prompts))
    assert target.usage.output >= len(prompts)  # one for each verdict, more for a step


def test_over_chat_completions_they_are_estimated_by_what_the_server_has_told(served):
    server, target = served("openai")
    asked = server._openai
    usage: dict[str, object] = {"prompt_tokens": 1000}

    def told(path, body):
        answer = asked(path, body)
        if path.endswith("completions") and isinstance(answer, list):
            answer = [answer[0][:-1] + b', "usage": ' + json.dumps(usage).encode() + b"}"]
        return answer

    before = target.usage
    target.label_probs(PROMPT, ("Yes", "No"))
    assert target.usage.less(before) == Usage(round(0.25 * sum(len(one.content) for one in PROMPT.messages)), 1)
    server._openai = told
    for _ in range(2):
        before = target.usage
        target.label_probs(PROMPT, ("Yes", "No"))
        assert target.usage.less(before) == Usage(1000, 1)
    for said, cached in [(600, 600), (5000, 1000), ("many", 0), (-1, 0)]:
        usage["prompt_tokens_details"] = {"cached_tokens": said}
        before = target.usage
        target.label_probs(PROMPT, ("Yes", "No"))
        assert target.usage.less(before) == Usage(1000, 1, cached)
    before = target.usage
    for _ in target.generate(PROMPT, config().sampling, 3):
        pass
    assert target.usage.less(before) == Usage(1000, 3)


@pytest.mark.parametrize("kind", ["vllm", "llama-server", "openai"])
def test_a_request_that_fails_is_not_counted(served, kind):
    server, target = served(kind)
    before = target.usage
    server.faults.append(Fault(500))
    with pytest.raises(ServerError):
        list(target.generate(PROMPT, config().sampling, 3))
    assert target.usage == before
    list(target.generate(PROMPT, config().sampling, 3))
    assert target.usage.less(before).output == 3
