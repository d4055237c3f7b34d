"""How often a target on a server is asked: never for a step the draft keeps, once if escalated, twice to rewrite."""

from collections import Counter
from collections.abc import Generator
from contextlib import closing
from dataclasses import replace
from typing import cast

import pytest
from support.engine_calls import written
from support.scripted_server import ScriptedServer
from support.small_runs import PROMPT, config

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.events import StepCommitted
from confspec_cli.core.gate import Signal
from confspec_cli.core.messages import Sampling
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode
from confspec_cli.core.trace import Author, Origin
from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile
from confspec_cli.engines.remote import RemoteSpec, open_remote
from confspec_cli.engines.scripted import ScriptedEngine

STEPS = tuple(f"Step {n} is of the length that steps have.\n\n" for n in range(6))
DRAFTED = tuple(step.replace("have", "lack, wrong") if n in (2, 4) else step for n, step in enumerate(STEPS))


def labels(text):
    return {"Yes": 0.99, "No": 0.01} if text in (STEPS[1], STEPS[3]) else {"Yes": 0.5, "No": 0.4}


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama-server"])
def test_steps_cost_as_many_requests_as_they_must(tiny, kind):
    file = VocabularyFile(tiny("llama"))
    spec = {"tokenizer": str(tiny("llama"))} if kind in ("vllm", "sglang") else {}
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
                count = paths["/v1/completions"] + paths["/completion"] + paths["/generate"]
                asked.setdefault(event.step.origin, []).append(count)
                if kind != "llama-server":
                    assert not paths["/tokenize"]
                server.requests.clear()
        target.close()
    file.close()
    assert asked == {Origin.ESCALATED: [1, 1, 1], Origin.DRAFT: [0, 0], Origin.TARGET: [2, 2]}


class Capped(ScriptedServer):
    """A server that writes no more than so many tokens for a request."""

    most = 10_000

    def _llama_stream(self, body):
        return super()._llama_stream({**body, "n_predict": min(body["n_predict"], self.most)})


def alone(server, draft=None, **changes):
    """What the target writes by itself, step by step, and how often it was asked."""
    target = open_remote(RemoteSpec(server.url), Interrupt(), {})
    server.requests.clear()
    models = {Author.TARGET: target} if draft is None else {Author.DRAFT: draft, Author.TARGET: target}
    mode = Mode.TARGET if draft is None else Mode.CONFSPEC
    events = list(ReasoningRun(PROMPT, models, config(mode, max_tokens=1000, **changes), lambda: 0.0).events())
    target.close()
    steps = [event.step for event in events if isinstance(event, StepCommitted)]
    return steps, [body for path, body, _ in server.requests if path == "/completion" and body.get("stream")]


def test_a_target_that_writes_alone_is_asked_once_for_all_of_its_steps():
    with ScriptedServer(writes="".join(STEPS), context=8192) as server:
        steps, asked = alone(server)
        assert "".join(step.text for step in steps) == "".join(STEPS)
        assert len(steps) >= len(STEPS)
        assert [body["n_predict"] for body in asked] == [1000]
        short, asked = alone(server, max_step_tokens=24)
        assert max(step.tokens for step in short) == 24
        assert "".join(step.text for step in short) == "".join(STEPS)
        assert len(asked) == 1


def test_a_server_that_ends_early_is_asked_for_the_rest():
    with Capped(writes="".join(STEPS), context=8192) as server:
        server.most = 30
        steps, asked = alone(server)
    assert "".join(step.text for step in steps) == "".join(STEPS)
    assert len(asked) > 2


def test_where_somebody_else_writes_next_the_server_is_told_to_stop():
    with ScriptedServer(writes="".join(STEPS), context=8192, pace=0.01) as server:
        draft = ScriptedEngine(STEPS, lambda _: {"Yes": 0.99, "No": 0.01})
        gate = {"signal": Signal.VERDICT, "accept": 0.9, "target": 0.5, "target_first": True}
        steps, asked = alone(server, draft, **gate)
        assert [step.origin for step in steps][:2] == [Origin.TARGET, Origin.DRAFT]
        assert len(asked) == 1
        assert server.gone.wait(10)
        assert server.written < len("".join(STEPS)) / 2


def test_a_run_that_is_left_half_way_leaves_no_stream_open():
    with ScriptedServer(writes="".join(STEPS), context=8192, pace=0.01) as server:
        target = open_remote(RemoteSpec(server.url), Interrupt(), {})
        run = ReasoningRun(PROMPT, {Author.TARGET: target}, config(Mode.TARGET, max_tokens=1000), lambda: 0.0)
        events = cast(Generator, run.events())
        with closing(events):
            next(event for event in events if isinstance(event, StepCommitted))
        assert server.gone.wait(10)
        target.close()


@pytest.mark.parametrize("kind", ["vllm", "sglang", "llama-server", "openai"])
def test_each_step_is_drawn_by_a_seed_of_its_own_and_the_same_step_by_the_same(tiny, kind):
    file = VocabularyFile(tiny("llama"))
    spec = {"tokenizer": str(tiny("llama"))} if kind in ("vllm", "sglang") else {}
    with ScriptedServer(kind, "".join(STEPS), context=8192, vocab=file.vocab) as server:
        engine = open_remote(RemoteSpec(server.url, **spec), Interrupt(), {})
        server.requests.clear()
        for reply in [(), STEPS[:1], STEPS[:2], STEPS[:1]]:
            written(engine, replace(PROMPT, reply=reply), 5, Sampling(temperature=1.0, seed=2**63 + 1))
        engine.close()
    file.close()
    sent = [body for _, body, _ in server.requests if body and body.get("stream")]
    seeds = [body.get("sampling_params", body).get("sampling_seed", body.get("seed")) for body in sent]
    assert len(seeds) == 4
    assert len(set(seeds)) == 3
    assert seeds[1] == seeds[3]
    assert all(0 <= seed < 2**32 for seed in seeds)
