"""How often a target on a server is asked: never for a step the draft keeps, once if escalated, twice to rewrite."""

from collections import Counter

import pytest
from support.scripted_server import ScriptedServer
from support.small_runs import PROMPT, config

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import StepCommitted
from confspec_cli.core.gate import Signal
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.trace import Author, Origin
from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile
from confspec_cli.engines.remote import RemoteSpec, open_remote
from confspec_cli.engines.scripted import ScriptedEngine

STEPS = tuple(f"Step {n} is of the length that steps have.\n\n" for n in range(6))
DRAFTED = tuple(step.replace("have", "lack, wrong") if n in (2, 4) else step for n, step in enumerate(STEPS))


def labels(text):
    return {"Yes": 0.99, "No": 0.01} if text in (STEPS[1], STEPS[3]) else {"Yes": 0.5, "No": 0.4}


@pytest.mark.parametrize("kind", ["vllm", "llama-server"])
def test_steps_cost_as_many_requests_as_they_must(tiny, kind):
    file = VocabularyFile(tiny("llama"))
    spec = {"tokenizer": str(tiny("llama"))} if kind == "vllm" else {}
    with ScriptedServer(kind, "".join(STEPS), context=8192, vocab=file.vocab, doubts="wrong") as server:
        target = open_remote(RemoteSpec(server.url, **spec), Interrupt(), {})
        draft = ScriptedEngine(DRAFTED, labels)
        models = {Author.DRAFT: draft, Author.TARGET: target}
        settings = config(signal=Signal.VERDICT, accept=0.95, target=0.5)
        asked: dict[Origin, list[int]] = {}
        server.requests.clear()
        for event in ReasoningRun(PROMPT, models, settings, lambda: 0.0).events():
            if isinstance(event, StepCommitted):
                paths = Counter(path for path, _, _ in server.requests)
                asked.setdefault(event.step.origin, []).append(paths["/v1/completions"] + paths["/completion"])
                if kind == "vllm":
                    assert not paths["/tokenize"]
                server.requests.clear()
        target.close()
    file.close()
    assert asked == {Origin.ESCALATED: [1, 1, 1], Origin.DRAFT: [0, 0], Origin.TARGET: [2, 2]}
