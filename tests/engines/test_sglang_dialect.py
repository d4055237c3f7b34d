"""SGLang's dialect against a scripted server that answers in the form its documentation and its source have."""

import math

import pytest
from support.engine_calls import LABELS, QUESTION, asked, text_of, written
from support.id_servers import connecting, serving
from support.scripted_server import WRITES, Fault

from confspec_cli.core.engine import ALL_POWERS, Power
from confspec_cli.core.events import StepCommitted
from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.messages import Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ConfigError, ContextFull, ServerError

PROMPT = asked("How much?")
ASKING = asked("How much?", ask=QUESTION)


@pytest.fixture
def server(tiny):
    with serving("sglang", tiny("llama")) as one:
        yield one


@pytest.fixture
def connect(server, tiny):
    with connecting(server, tiny("llama")) as opened:
        yield opened


def test_it_is_told_from_other_servers_and_lacks_nothing(server, connect):
    engine = connect()
    assert engine.powers == ALL_POWERS
    assert engine.missing == ()
    assert engine.card.server == f"sglang {server.url}"
    assert (engine.card.name, engine.card.context) == ("scripted", 2047)
    with pytest.raises(ConfigError, match=r"sglang .* needs a file with the vocabulary"):
        connect(tokenizer="")


@pytest.mark.parametrize("is_incremental", [False, True])
def test_tokens_go_in_and_come_out_whether_an_event_holds_all_or_only_what_is_new(server, connect, is_incremental):
    server.is_incremental = is_incremental
    engine = connect()
    tokens = written(engine, PROMPT)
    assert text_of(tokens) == WRITES
    assert tokens[-1].ends
    assert {token.logprob for token in tokens} == {-0.5}
    sent = server.bodies("/generate")[-1]
    assert len(sent["input_ids"]) == engine.count(PROMPT)
    sampling = sent["sampling_params"]
    assert {"temperature", "top_k", "top_p", "min_p", "repetition_penalty", "sampling_seed"} <= set(sampling)
    assert sampling["stop_token_ids"]
    first = written(engine, PROMPT, 2)
    assert text_of(first) == text_of(tokens[:2])
    assert not first[-1].ends


def test_a_step_is_scored_and_the_question_answered_in_one_request_behind_the_cached_prefix(server, connect):
    engine = connect()
    written(engine, PROMPT, 1)
    before, read = len(server.bodies("/generate")), engine.tokens_read
    server.cached = engine.count(PROMPT)
    tokens, labels = engine.judge(ASKING, "Two and two.", True, LABELS)
    assert engine.tokens_read - read < engine.count(PROMPT)
    (sent,) = server.bodies("/generate")[before:]
    assert sent["logprob_start_len"] == engine.count(PROMPT) - 1
    assert sent["sampling_params"]["max_new_tokens"] == 1
    assert text_of(tokens) == "Two and two."
    assert tokens[-1].ends
    assert {token.logprob for token in tokens} == {math.log(0.5)}
    assert len({token.is_argmax for token in tokens}) == 2
    assert labels == pytest.approx({"Yes": 0.75, "No": 0.125})
    assert engine.label_probs(ASKING, LABELS) == labels
    assert "logprob_start_len" not in server.bodies("/generate")[-1]


def test_after_a_reset_the_prefix_cache_is_not_used(server, connect):
    engine = connect()
    engine.reset()
    written(engine, PROMPT, 1)
    first = server.bodies("/generate")[-1]["extra_key"]
    engine.reset()
    written(engine, PROMPT, 1)
    assert server.bodies("/generate")[-1]["extra_key"] != first


def test_scores_that_differ_from_one_reading_to_the_next_are_not_used(server, connect):
    server.drift = 0.5
    assert Power.SCORE not in connect().powers


def test_rejecting_every_step_gives_the_servers_own_text_and_accepting_every_step_the_drafts(server, connect):
    target = connect()
    for target_bound, expected in ((1.0, WRITES), (0.0, "Two and two. Four.")):
        draft = ScriptedEngine(["Two and two. ", "Four."], lambda _: {"Yes": 0.5, "No": 0.5})
        gate = Gate(Signal.LIKELIHOOD, accept=1.0, reject=0.0, target=target_bound)
        config = RunConfig(Mode.CONFSPEC, gate, QUESTIONS["correct"], Sampling(), 90, 30, 3)
        run = ReasoningRun(PROMPT, {Author.DRAFT: draft, Author.TARGET: target}, config, lambda: 0.0)
        steps = [event.step.text for event in run.events() if isinstance(event, StepCommitted)]
        assert "".join(steps) == expected


@pytest.mark.parametrize(
    ("fault", "kind", "words"),
    [
        (
            Fault(400, body=b'{"error": {"message": "The input (9) is longer than the context length"}}'),
            ContextFull,
            "does not fit",
        ),
        (Fault(400, body=b'{"error": {"message": "bad field"}}'), ServerError, "bad field"),
        (Fault(200, body=b'{"text": ""}'), ServerError, "SGLang does not answer"),
        (
            Fault(200, body=b'{"meta_info": {"output_token_ids_logprobs": [[[-1, 1, null]]]}}'),
            ServerError,
            "no probabilities of the labels",
        ),
        (
            Fault(200, body=b'{"meta_info": {"output_token_ids_logprobs": [[[7, 1, null]]]}}'),
            ServerError,
            "SGLang does not answer",
        ),
    ],
)
def test_an_answer_of_another_form_is_a_sentence(server, connect, fault, kind, words):
    engine = connect()
    server.faults.append(fault)
    with pytest.raises(kind, match=words):
        engine.label_probs(ASKING, LABELS)
    assert engine.label_probs(ASKING, LABELS)


def test_scores_of_other_tokens_than_were_sent_are_no_answer(server, connect):
    engine = connect()
    rows = b'"input_token_logprobs": [[null, 1, null], [-1, 999999, null]], "input_top_logprobs": [null, [[-1, 1]]]'
    server.faults.append(Fault(200, body=b'{"meta_info": {%b}}' % rows))
    with pytest.raises(ServerError, match="SGLang does not answer"):
        engine.score(PROMPT, "T")


@pytest.mark.parametrize(
    ("event", "kind", "words"),
    [
        (b'{"meta_info": {"completion_tokens": 2, "output_token_logprobs": [[-1, 5, null]]}}', ServerError, "SGLang"),
        (
            b'{"error": {"message": "It exceeds the maximum context length of 9"}}',
            ContextFull,
            "fit",
        ),
        (
            b'{"meta_info": {"completion_tokens": 0, "output_token_logprobs": [], "output_top_logprobs": [],'
            b' "finish_reason": {"type": "abort"}}}',
            ServerError,
            "broke off",
        ),
    ],
)
def test_an_event_of_another_form_is_a_sentence(server, connect, event, kind, words):
    engine = connect()
    server.faults.append(Fault(200, body=b"data: " + event + b"\n\n"))
    with pytest.raises(kind, match=words):
        written(engine, PROMPT)


def test_a_reply_cut_half_way_says_so(server, connect):
    engine = connect()
    server.faults.append(Fault(after=300))
    with pytest.raises(ServerError, match="broke off"):
        written(engine, PROMPT)
