"""The engine over chat completions, against a scripted server."""

import math

import pytest
from support.engine_calls import LABELS, QUESTION, asked, text_of, written
from support.scripted_server import WRITES, Fault, ScriptedServer

from confspec_cli.core.engine import Interrupt, Power
from confspec_cli.core.events import RunFinished, StepCommitted
from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec, open_remote
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ConfigError, ContextFull, EngineError, ServerError, UsageError

PROMPT = asked("How much?")


@pytest.fixture
def server():
    with ScriptedServer(kind="openai") as one:
        yield one


@pytest.fixture
def connect(server):
    engines = []

    def opened(**more):
        engines.append(open_remote(RemoteSpec(**{"url": f"{server.url}/v1", **more}), Interrupt(), {}))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.close()


@pytest.mark.parametrize("continues", ["unasked", "asked"])
def test_it_writes_on_from_what_the_reply_has_come_to(server, connect, continues):
    server.continues = continues
    engine = connect()
    assert text_of(written(engine, PROMPT)) == WRITES
    rest = written(engine, Prompt(PROMPT.messages, (WRITES[:4], WRITES[4:14])))
    assert text_of(rest) == WRITES[14:]
    assert rest[-1].ends
    assert rest[0].logprob == math.log(0.5)
    sent = server.bodies("/v1/chat/completions")[-1]
    assert sent["messages"][-1] == {"role": "assistant", "content": WRITES[:14]}


def test_a_server_that_does_not_continue_a_reply_is_refused_by_name(server, connect):
    server.continues = "never"
    with pytest.raises(ServerError, match=r"scripted at .* cannot continue a reply"):
        connect()


def test_a_verdict_is_the_mass_of_the_labels_among_the_likeliest_tokens(server, connect):
    engine = connect()
    found = engine.label_probs(Prompt(PROMPT.messages, ("A step.",), QUESTION), LABELS)
    assert found == pytest.approx({"Yes": 0.75, "No": 0.125})
    sent = server.bodies("/v1/chat/completions")[-1]
    assert [message["role"] for message in sent["messages"]] == ["system", "user", "assistant", "user"]
    assert (sent["max_tokens"], sent["temperature"]) == (1, 0)


def test_what_it_cannot_do_is_said_and_refused(server, connect):
    engine = connect()
    assert engine.powers == {Power.LABELS, Power.LOGPROBS}
    assert len(engine.missing) == 2
    for call in (
        lambda: engine.score(PROMPT, "x"),
        lambda: engine.judge(PROMPT, "x", False, LABELS),
        lambda: written(engine, PROMPT, 9, Sampling(grammar='root ::= "a"')),
    ):
        with pytest.raises(EngineError):
            call()


def config(mode=Mode.CONFSPEC, gate=Gate()):  # noqa: B008
    return RunConfig(mode, gate, QUESTIONS["correct"], Sampling(), 90, 30, 3)


def test_without_log_probabilities_it_writes_alone_and_gives_no_verdicts(server, connect):
    server.says_logprobs = False
    engine = connect()
    models = {Author.DRAFT: ScriptedEngine(["One.\n\n"]), Author.TARGET: engine}
    with pytest.raises(UsageError, match="verdict"):
        ReasoningRun(PROMPT, models, config(), lambda: 0.0)
    *events, last = ReasoningRun(PROMPT, {Author.TARGET: engine}, config(Mode.TARGET), lambda: 0.0).events()
    assert isinstance(last, RunFinished)
    assert "".join(event.step.text for event in events if isinstance(event, StepCommitted)) == WRITES


def test_rejecting_all_is_the_server_s_target_alone(server, connect):
    models = {Author.DRAFT: ScriptedEngine(["One.\n\n", "Three.\n\n"]), Author.TARGET: connect()}
    events = ReasoningRun(PROMPT, models, config(gate=Gate(accept=1, reject=1)), lambda: 0.0).events()
    assert "".join(event.step.text for event in events if isinstance(event, StepCommitted)) == WRITES


def test_sglang_without_a_vocabulary_can_be_used_by_its_chat_completions(server, connect):
    answer = server._openai
    server._openai = lambda path, body: [b"{}"] if path == "/model_info" else answer(path, body)
    with pytest.raises(ConfigError, match="needs a file with the vocabulary") as refused:
        connect()
    assert "server: openai" in refused.value.hint
    assert text_of(written(connect(server="openai"), PROMPT)) == WRITES


def test_a_model_that_thinks_is_refused_when_it_does(server, connect):
    engine = connect()
    thought = b'data: {"choices": [{"delta": {"reasoning_content": "Hm"}}]}\n\n'
    server.faults.append(Fault(body=thought))
    with pytest.raises(ServerError, match="thinks before it answers"):
        written(engine, PROMPT)


@pytest.mark.parametrize(
    "body",
    [b"[]", b'{"choices": [3]}', b'data: {"choices": [{"delta": {"content": "a"}}]}\n\n', b'data: {"error": 1}\n\n'],
)
def test_an_answer_of_another_form_is_a_sentence(server, connect, body):
    engine = connect()
    server.faults.append(Fault(body=body))
    with pytest.raises(ServerError):
        written(engine, PROMPT) if body.startswith(b"data") else engine.label_probs(PROMPT, LABELS)


def test_a_prompt_that_is_surely_too_long_is_not_sent(server, connect):
    with pytest.raises(ContextFull):
        written(connect(), Prompt((Message("user", "egg " * 3000),)))


def test_a_model_that_is_not_served_is_refused_by_name(server, connect):
    with pytest.raises(ServerError, match="does not serve bigger"):
        connect(model="bigger")


@pytest.mark.parametrize("rows", ['[{"token": "Yes"}]', '["Yes"]', '[{"token": "Yes", "logprob": "high"}]', "7"])
def test_likeliest_tokens_that_are_none_are_no_chat_completion(server, connect, rows):
    engine = connect()
    content = f'[{{"token": "Yes", "logprob": -0.1, "top_logprobs": {rows}}}]'
    answer = f'{{"choices": [{{"message": {{"content": "Yes"}}, "logprobs": {{"content": {content}}}}}]}}'
    server.faults.append(Fault(body=answer.encode()))
    with pytest.raises(ServerError, match="no chat completion"):
        engine.label_probs(PROMPT, LABELS)


@pytest.mark.parametrize("logprobs", ['["Yes"]', '{"content": 7}'])
def test_log_probabilities_that_are_none_are_no_chat_completion(server, connect, logprobs):
    engine = connect()
    answer = f'{{"choices": [{{"message": {{"content": "Yes"}}, "logprobs": {logprobs}}}]}}'
    server.faults.append(Fault(body=answer.encode()))
    with pytest.raises(ServerError, match="no chat completion"):
        engine.label_probs(PROMPT, LABELS)
