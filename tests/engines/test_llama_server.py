"""A model behind a real llama-server keeps the promises of an engine, and the cascade over it its equalities."""

import json
import time
import urllib.request
from dataclasses import replace

import pytest
from support.engine_calls import LABELS, PROMPTS, QUESTION, asked, text_of, written
from support.llama_server import llama_server, needs_llama_server
from support.tiny_gguf import THINKING_TEMPLATE

from confspec_cli.core.engine import Interrupt, Power
from confspec_cli.core.events import RunFinished, StepCommitted, StepJudged
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec, open_remote, probe
from confspec_cli.errors import ConfigError, ContextFull, EngineError, Interrupted, UsageError

pytestmark = [pytest.mark.server, needs_llama_server]


@pytest.fixture(scope="module")
def served(tiny):
    """The URL of a tiny model, and its file."""
    path = tiny("llama", seed=5)
    with llama_server(path) as url:
        yield url, path


@pytest.fixture
def connect():
    """Open a server; it is closed after the test."""
    engines = []

    def opened(url, interrupt=None, **more):
        engines.append(open_remote(RemoteSpec(url, **more), interrupt or Interrupt(), {}))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.close()


def run(models, prompt, mode=Mode.CONFSPEC, gate=Gate(), **more):  # noqa: B008
    config = RunConfig(mode, gate, QUESTIONS["correct"], Sampling(), 90, 30, 10, **more)
    *events, last = ReasoningRun(prompt, models, config, time.perf_counter).events()
    assert isinstance(last, RunFinished)
    return "".join(event.step.text for event in events if isinstance(event, StepCommitted)), events


def test_accepting_all_is_the_local_draft_and_rejecting_all_the_server_s_target_byte_for_byte(
    tiny, load, served, connect
):
    models = {Author.DRAFT: load(tiny("llama")), Author.TARGET: connect(served[0])}
    for text in PROMPTS:
        prompt = asked(text)
        models[Author.TARGET].reset()
        alone = text_of(written(models[Author.TARGET], prompt, 90))
        assert run(models, prompt, Mode.TARGET)[0] == alone
        assert run(models, prompt, gate=Gate(accept=1, reject=1))[0] == alone
        drafted = text_of(written(models[Author.DRAFT], prompt, 90))
        assert run(models, prompt, gate=Gate(accept=0))[0] == drafted


def test_a_target_behind_a_server_judges_by_its_verdict(tiny, load, served, connect):
    models = {Author.DRAFT: load(tiny("llama")), Author.TARGET: connect(served[0])}
    _, events = run(models, asked(PROMPTS[0]), gate=Gate(accept=1, reject=0, target=0.5, min_label_mass=0))
    by_target = [e.assessment for e in events if isinstance(e, StepJudged) and e.assessment.by is Author.TARGET]
    assert by_target
    assert all(one.verdict and one.likelihood is None for one in by_target)


def test_a_gate_that_looks_at_likelihoods_is_refused_before_anything_runs(tiny, load, served, connect):
    models = {Author.DRAFT: load(tiny("llama")), Author.TARGET: connect(served[0])}
    with pytest.raises(UsageError, match="cannot score"):
        run(models, asked(PROMPTS[0]), gate=Gate(Signal.LIKELIHOOD))
    with pytest.raises(EngineError, match="cannot score"):
        models[Author.TARGET].judge(asked(PROMPTS[0]), "A step.", False, LABELS)


def test_the_server_agrees_with_the_same_file_loaded_here(load, served, connect):
    """Within rounding: a server computes attention by other kernels."""
    here, there = load(served[1]), connect(served[0])
    for text in PROMPTS:
        prompt = asked(text)
        assert there.count(prompt) == here.count(prompt)
        local, remote = written(here, prompt, 1)[0], written(there, prompt, 1)[0]
        assert (remote.text, remote.is_argmax) == (local.text, local.is_argmax)
        assert remote.logprob == pytest.approx(local.logprob, abs=0.05)
        asking = replace(prompt, reply=("One step.\n\n",), ask=QUESTION)
        assert there.label_probs(asking, LABELS) == pytest.approx(here.label_probs(asking, LABELS), rel=0.2)


def test_an_unlikely_label_has_its_own_probability_and_not_none(load, served, connect):
    prompt = asked(PROMPTS[0])
    labels = ("Yes", "No", "→")
    here, there = load(served[1]).label_probs(prompt, labels), connect(served[0]).label_probs(prompt, labels)
    assert min(there.values()) > 0
    assert there == pytest.approx(here, rel=0.2)


def test_a_verdict_leaves_no_trace_in_what_is_written_next(served, connect):
    asking, plain = connect(served[0]), connect(served[0])
    prompt = asked(PROMPTS[0])
    for _ in range(4):
        step = text_of(written(asking, prompt, 12))
        assert text_of(written(plain, prompt, 12)) == step
        prompt = replace(prompt, reply=(*prompt.reply, step))
        asking.label_probs(replace(prompt, ask=QUESTION), LABELS)


def test_control_tokens_in_what_people_and_models_wrote_are_plain_text(served, connect):
    engine = connect(served[0])
    plain = engine.count(asked("Hello"))
    assert engine.count(asked("Hello<|im_end|>")) > plain + 5
    said = engine.count(asked("Hello", reply=("Well<|im_end|>",)))
    assert said > engine.count(asked("Hello", reply=("Well",))) + 5


def test_a_character_split_over_tokens_arrives_whole(served, connect):
    prompt = asked(PROMPTS[3])
    engine = connect(served[0])
    tokens = written(engine, prompt, 20, Sampling(grammar='root ::= "a🚂b"'))
    assert [token.text for token in tokens] == ["a", "🚂", "b", ""]
    before = engine.tokens_read
    written(engine, replace(prompt, reply=("a🚂b",)), 1)
    assert engine.tokens_read == before  # its tokens are known, though the server kept three of them back


def test_a_reply_cut_in_the_middle_of_a_character_counts_what_was_written(served, connect):
    tokens = written(connect(served[0]), asked(PROMPTS[3]), 2, Sampling(grammar='root ::= "a🚂b"'))
    assert [token.text for token in tokens] == ["a", ""]


def test_the_same_seed_gives_the_same_text_and_another_seed_another(served, connect):
    engine = connect(served[0])

    def drawn(seed):
        engine.reset()
        return text_of(written(engine, asked(PROMPTS[0]), 30, Sampling(temperature=1.0, seed=seed)))

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_grammar_holds_and_what_it_makes_unlikely_keeps_its_own_probability(served, connect):
    tokens = written(connect(served[0]), asked(PROMPTS[0]), 9, Sampling(grammar='root ::= "abc"'))
    assert text_of(tokens) == "abc"
    assert tokens[-1].ends
    assert tokens[0].logprob < -1
    with pytest.raises(EngineError, match="grammar"):
        written(connect(served[0]), asked(PROMPTS[0]), 9, Sampling(grammar="root ::= ("))


def test_closing_a_reply_half_way_leaves_the_server_free_at_once(served, connect):
    engine = connect(served[0])
    prompt = asked(PROMPTS[0])
    whole = text_of(written(engine, prompt, 40))
    for _ in range(5):
        reply = engine.generate(prompt, Sampling(), 2000)
        begun = next(reply).text + next(reply).text
        reply.close()
        assert whole.startswith(begun)
    left = engine.generate(prompt, Sampling(), 2000)  # nobody closes this one
    next(left)
    assert text_of(written(engine, prompt, 40)) == whole


def test_the_server_is_seen_to_stop_when_a_reply_is_closed_or_interrupted(tiny, connect):
    with llama_server(tiny("llama", bias={"<|im_end|>": -100.0}, context=32768), context=32768) as url:
        interrupt = Interrupt()
        engine = connect(url, interrupt)
        for is_interrupted in (False, True):
            reply = engine.generate(asked(PROMPTS[0]), Sampling(), 30000)
            next(reply)
            assert busy(url)
            if is_interrupted:
                interrupt.set()
                with pytest.raises(Interrupted):
                    list(reply)
            reply.close()
            interrupt.clear()
            until = time.monotonic() + 5
            while busy(url) and time.monotonic() < until:
                time.sleep(0.05)
            assert not busy(url)


def busy(url):
    """Whether the server is at work on a reply."""
    with urllib.request.urlopen(f"{url}/slots") as answer:
        return json.load(answer)[0]["is_processing"]


def test_a_prompt_longer_than_the_context_says_so_before_anything_is_sent(served, connect):
    engine = connect(served[0])
    with pytest.raises(ContextFull, match="2048"):
        written(engine, asked("egg " * 3000))
    assert written(engine, asked(PROMPTS[0]), 3)


def test_a_context_that_fills_while_writing_stops_there(tiny, connect):
    with llama_server(tiny("llama", bias={"<|im_end|>": -100.0}), context=256) as url:
        engine = connect(url)
        prompt = asked("egg " * 20)
        with pytest.raises(ContextFull):
            written(engine, prompt, 1000)
        assert written(engine, asked(PROMPTS[0]), 3)


def test_a_second_turn_tokenizes_only_what_is_new(served, connect):
    engine = connect(served[0])
    first = asked(PROMPTS[0])
    said = text_of(written(engine, first, 30))
    before = engine.tokens_read
    second = Prompt((*first.messages, Message("assistant", said), Message("user", "And then?")))
    written(engine, second, 1)
    assert engine.tokens_read - before <= engine.count(second) - engine.count(first) - 20


def test_an_interrupt_ends_the_call_and_the_engine_goes_on_after_it(served, connect):
    interrupt = Interrupt()
    engine = connect(served[0], interrupt)
    reply = engine.generate(asked(PROMPTS[0]), Sampling(), 2000)
    next(reply)
    interrupt.set()
    with pytest.raises(Interrupted):
        list(reply)
    with pytest.raises(Interrupted):
        engine.label_probs(asked(PROMPTS[0], ask=QUESTION), LABELS)
    interrupt.clear()
    assert written(engine, asked(PROMPTS[0]), 3)


def test_thinking_is_told_from_the_server_s_template(tiny, connect):
    with llama_server(tiny("llama", template=THINKING_TEMPLATE)) as url:
        engine = connect(url)
        assert engine.card.thinks
        assert engine.count(asked("Hi", think=True)) != engine.count(asked("Hi"))


def test_a_file_of_the_same_model_tokenizes_here_what_the_server_would(served, connect):
    there, here = connect(served[0]), connect(served[0], tokenizer=str(served[1]))
    for text in (*PROMPTS, "Hello<|im_end|> <think>x</think>", " \n\n a🚂b"):
        prompt = asked(text, reply=("So <think>far.\n\n", "ü🚂"))
        assert here.count(prompt) == there.count(prompt)
        assert text_of(written(here, prompt, 20)) == text_of(written(there, prompt, 20))
    asking = asked(PROMPTS[0], ask=QUESTION)
    assert here.label_probs(asking, LABELS) == pytest.approx(there.label_probs(asking, LABELS), rel=0.05)


def test_a_file_of_another_vocabulary_is_refused_when_the_server_is_opened(tiny, served, connect):
    with pytest.raises(ConfigError, match="different vocabulary"):
        connect(served[0], tokenizer=str(tiny("llama", vocab="other")))


def test_the_card_and_the_report_tell_what_is_served(served, connect):
    engine = connect(f"{served[0]}/v1")
    card = engine.card
    assert card.server == f"llama-server {served[0]}"
    assert (card.file, card.sha256, card.context) == ("", "", 2048)
    assert served[1].name in card.identity
    report = probe(RemoteSpec(served[0]), {})
    assert (report.kind, report.url, report.context) == ("llama-server", served[0], 2048)
    assert Power.LABELS in report.powers
    assert Power.SCORE not in report.powers
    assert any("cannot score" in sentence for sentence in report.missing)
    assert 0 < report.round_trip_seconds < 5
