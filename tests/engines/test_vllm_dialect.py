"""vLLM's dialect against a scripted server that answers in its form, and in forms that it should not."""

import math

import pytest
from support.engine_calls import LABELS, QUESTION, asked, text_of, written
from support.id_servers import connecting, serving
from support.scripted_server import WRITES, Fault

from confspec_cli.core.engine import ALL_POWERS, Power
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec, probe
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ConfigError, ContextFull, EngineError, ServerError, UsageError

PROMPT = asked("How much?")
ASKING = asked("How much?", ask=QUESTION)


@pytest.fixture
def server(tiny):
    with serving("vllm", tiny("llama")) as one:
        yield one


@pytest.fixture
def connect(server, tiny):
    with connecting(server, tiny("llama")) as opened:
        yield opened


def test_it_is_told_from_other_servers_and_says_what_scoring_costs(server, connect, tiny):
    engine = connect()
    assert engine.powers == ALL_POWERS - {Power.CACHED_SCORE}
    assert engine.card.server == f"vllm {server.url}"
    assert (engine.card.name, engine.card.identity, engine.card.context) == ("scripted", "/m/scripted", 2048)
    report = probe(RemoteSpec(server.url, tokenizer=str(tiny("llama"))), {})
    assert report.kind == "vllm"
    (dear,) = report.missing
    assert "read the whole prompt again" in dear


def test_tokens_go_in_and_come_out_and_every_sampling_field_is_sent(server, connect):
    engine = connect()
    tokens = written(engine, PROMPT)
    assert text_of(tokens) == WRITES
    assert tokens[-1].ends
    assert {token.logprob for token in tokens} == {-0.5}
    sent = server.bodies("/v1/completions")[-1]
    assert len(sent["prompt"]) == engine.count(PROMPT)
    assert {"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "seed"} <= set(sent)
    assert sent["stop_token_ids"]
    assert text_of(written(engine, PROMPT, 2)) == WRITES[: len(text_of(written(engine, PROMPT, 2)))]


def test_a_step_is_scored_and_the_question_answered_in_one_request(server, connect):
    engine = connect()
    before = len(server.bodies("/v1/completions"))
    written(engine, PROMPT, 1)
    read = engine.tokens_read
    tokens, labels = engine.judge(ASKING, "Two and two.", True, LABELS)
    assert engine.tokens_read - read > engine.count(PROMPT)  # a scored prompt is read again, all of it
    (sent,) = server.bodies("/v1/completions")[before + 1 :]
    assert (sent["prompt_logprobs"], sent["max_tokens"], sent["temperature"]) == (0, 1, 0)
    assert text_of(tokens) == "Two and two."
    assert tokens[-1].ends
    assert {token.logprob for token in tokens} == {math.log(0.5)}
    assert len({token.is_argmax for token in tokens}) == 2
    assert labels == pytest.approx({"Yes": 0.75, "No": 0.125})
    assert engine.label_probs(ASKING, LABELS) == labels
    assert "prompt_logprobs" not in server.bodies("/v1/completions")[-1]  # so that it hits the cache


@pytest.mark.parametrize(("signal", "scores"), [(Signal.VERDICT, False), (Signal.COMBINED, True)])
def test_a_step_is_scored_only_for_a_gate_that_looks_at_scores_as_the_prompt_is_read_again_for_it(
    server, connect, signal, scores
):
    engine = connect()
    before = len(server.bodies("/v1/completions"))
    draft = ScriptedEngine(["Two and two.\n\n", "Four."], lambda _: {"Yes": 0.5, "No": 0.5})
    gate = Gate(signal, accept=1, reject=0, target=0, min_label_mass=0)
    config = RunConfig(Mode.CONFSPEC, gate, QUESTIONS["correct"], Sampling(), 90, 30, 3)
    list(ReasoningRun(PROMPT, {Author.DRAFT: draft, Author.TARGET: engine}, config, lambda: 0.0).events())
    sent = server.bodies("/v1/completions")[before:]
    assert sent
    assert all(("prompt_logprobs" in body) == scores for body in sent)


def test_after_a_reset_the_prefix_cache_is_not_used(server, connect):
    engine = connect()
    engine.reset()
    written(engine, PROMPT, 1)
    first = server.bodies("/v1/completions")[-1]["cache_salt"]
    written(engine, PROMPT, 1)
    assert server.bodies("/v1/completions")[-1]["cache_salt"] == first
    engine.reset()
    written(engine, PROMPT, 1)
    assert server.bodies("/v1/completions")[-1]["cache_salt"] != first


def test_scores_that_differ_from_one_reading_to_the_next_are_not_used(server, connect):
    server.drift = 0.5
    engine = connect()
    assert Power.SCORE not in engine.powers
    assert any("differently" in sentence for sentence in engine.missing)
    with pytest.raises(EngineError, match="cannot score"):
        engine.score(PROMPT, "Two.")
    config = RunConfig(Mode.CONFSPEC, Gate(Signal.LIKELIHOOD), QUESTIONS["correct"], Sampling(), 90, 30, 3)
    with pytest.raises(UsageError, match="cannot score"):
        ReasoningRun(PROMPT, {Author.DRAFT: ScriptedEngine([]), Author.TARGET: engine}, config, lambda: 0.0)


def test_a_file_of_another_vocabulary_is_refused_at_once(server, connect, tiny):
    with pytest.raises(ConfigError, match="different vocabulary"):
        connect(tokenizer=str(tiny("llama", vocab="other")))
    with pytest.raises(ConfigError, match="needs a file with the vocabulary"):
        connect(tokenizer="")


def test_a_model_that_is_not_served_is_refused_by_name(server, connect):
    with pytest.raises(ServerError, match="does not serve bigger") as refused:
        connect(model="bigger")
    assert "scripted" in refused.value.hint


def test_control_tokens_in_what_people_wrote_are_plain_text(server, connect):
    engine = connect()
    written(engine, asked("Hello<|im_end|>"), 1)
    (end,) = server.vocab.tokenize("<|im_end|>", special=True)
    written(engine, asked("Hello"), 1)
    hostile, plain = (body["prompt"].count(end) for body in server.bodies("/v1/completions")[-2:])
    assert hostile == plain


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (Fault(400, body=b'{"error": {"message": "maximum context length is 9"}}'), ContextFull, "does not fit"),
        (Fault(400, body=b'{"error": {"message": "bad field"}}'), ServerError, "bad field"),
        (Fault(200, body=b'{"choices": []}'), ServerError, "vLLM does not answer"),
        (Fault(200, body=b'{"choices": ["Yes"]}'), ServerError, "vLLM does not answer"),
        (Fault(200, body=b'{"choices": [{}], "usage": [9]}'), ServerError, "vLLM does not answer"),
        (
            Fault(200, body=b'{"choices": [{"logprobs": {"top_logprobs": [{"token_id:1": -1}]}}]}'),
            ServerError,
            "labels",
        ),
        (Fault(200, body=b'{"choices": [{"logprobs": {"top_logprobs": [{"token_id:1": 7}]}}]}'), ServerError, "vLLM"),
    ],
)
def test_an_answer_of_another_form_is_a_sentence(server, connect, fault, kind, words):
    engine = connect()
    server.faults.append(fault)
    with pytest.raises(kind, match=words):
        engine.label_probs(ASKING, LABELS)
    assert engine.label_probs(ASKING, LABELS)


def test_a_reply_cut_half_way_says_so(server, connect):
    engine = connect()
    server.faults.append(Fault(after=300))
    with pytest.raises(ServerError, match="broke off"):
        written(engine, PROMPT)
