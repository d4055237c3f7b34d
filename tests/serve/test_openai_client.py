"""The real openai client against the real server: what it is told, and what it makes of it."""

import json

import openai
import pytest
from support.scripted_chat import ScriptedPool, pool
from support.serving import serving

from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine

QUESTION = [{"role": "user", "content": "What is 6 times 7?"}]
ANSWER = "This is the first step of it.\n\nAnd here is the second one.\n\nSo it is \\boxed{42}."


@pytest.fixture(scope="module")
def served():
    with serving() as running:
        yield running


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=served.api, api_key="none", max_retries=0) as one:
        yield one


def ask(client, model="scripted", **more):
    return client.chat.completions.create(**{"model": model, "messages": QUESTION, **more})


def told(chunks):
    """The text of a stream, and why it ended."""
    choices = [chunk.choices[0] for chunk in chunks if chunk.choices]
    reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
    return "".join(choice.delta.content or "" for choice in choices), reasons


def test_the_pair_and_each_of_its_models_alone_are_listed_and_found(client):
    names = [model.id for model in client.models.list()]
    assert names == ["scripted", "scripted/draft", "scripted/target"]
    assert [client.models.retrieve(name).id for name in names] == names
    with pytest.raises(openai.NotFoundError, match='There is no model "gpt-4" here'):
        client.models.retrieve("gpt-4")


def test_an_answer_comes_whole_with_its_tokens_and_steps(client):
    done = ask(client)
    assert (done.choices[0].message.content, done.choices[0].finish_reason) == (ANSWER, "stop")
    usage = done.usage
    assert (usage.completion_tokens, usage.total_tokens) == (17, usage.prompt_tokens + 17)
    details = usage.completion_tokens_details
    assert (details.accepted_prediction_tokens, details.rejected_prediction_tokens) == (11, 6)
    assert [step["origin"] for step in done.confspec["steps"]] == ["draft", "target", "draft"]
    assert done.confspec["steps"][1]["rejected_text"] == "And this is the second one.\n\n"
    assert (done.confspec["answer"], done.confspec["finish_reason"]) == ("42", "stop")


def test_a_stream_says_the_same_and_takes_nothing_back(client):
    chunks = list(ask(client, stream=True, stream_options={"include_usage": True}))
    assert told(chunks) == (ANSWER, ["stop"])
    assert chunks[-1].usage.completion_tokens == 17
    assert chunks[0].choices[0].delta.role == "assistant"
    events = [event for chunk in chunks for event in getattr(chunk, "confspec", {"events": []})["events"]]
    assert [event["step"]["origin"] for event in events if "step" in event] == ["draft", "target", "draft"]


def test_every_event_of_a_run_can_be_had_as_jsonl_has_it(client):
    chunks = ask(client, stream=True, extra_body={"confspec": {"events": True}})
    events = [event for chunk in chunks for event in getattr(chunk, "confspec", {"events": []})["events"]]
    names = [event["event"] for event in events]
    assert (names[0], names[-1]) == ("RunStarted", "RunFinished")
    assert "".join(event["text"] for event in events if event["event"] == "TextWritten").count("second") == 2


@pytest.mark.parametrize("name", ["draft", "target"])
def test_each_model_answers_alone(client, name):
    done = ask(client, model=f"scripted/{name}")
    assert {step["origin"] for step in done.confspec["steps"]} == {name}
    assert done.model == f"scripted/{name}"


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_an_answer_that_reaches_its_limit_says_so(client, limit):
    done = ask(client, **{limit: 9})
    assert (done.choices[0].finish_reason, done.usage.completion_tokens) == ("length", 9)


@pytest.mark.parametrize("streams", [False, True])
@pytest.mark.parametrize("stop", ["second", ["nowhere", "second", "one.\n"]])
def test_a_stop_string_ends_the_answer_before_it(client, stop, streams):
    done = ask(client, stop=stop, stream=streams)
    said = told(done) if streams else (done.choices[0].message.content, [done.choices[0].finish_reason])
    assert said == ("This is the first step of it.\n\nAnd here is the ", ["stop"])


def test_a_conversation_goes_on(client):
    messages = [
        {"role": "developer", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What"}, {"type": "text", "text": "is it?"}]},
        {"role": "assistant", "content": ANSWER, "refusal": None, "tool_calls": None},
        {"role": "user", "content": "And then?"},
    ]
    done = ask(client, messages=messages, stream=True, extra_body={"confspec": {"events": True}})
    started = next(event for chunk in done for event in getattr(chunk, "confspec", {"events": []})["events"])
    assert (started["system"], started["prompt"]) == ("Be brief.", "And then?")


def test_settings_reach_the_run(client):
    own = {"events": True, "task": "code", "think": False, "max_step_tokens": 50}
    settings = {"temperature": 0.5, "top_p": 0.8, "seed": -3, "max_tokens": 77, "stream": True}
    done = ask(client, **settings, extra_body={"top_k": 3, "confspec": own})
    started = next(event for chunk in done for event in getattr(chunk, "confspec", {"events": []})["events"])
    expected = {"temperature": 0.5, "top_p": 0.8, "seed": -3, "max_tokens": 77, "top_k": 3, "task": "code"}
    assert expected.items() <= started["parameters"].items()


@pytest.mark.parametrize("streams", [False, True])
def test_a_schema_binds_the_answer_and_the_reasoning_is_told_apart(streams):
    engines = {author: ScriptedEngine(("First I think about it.\n\n", '{"n": 1}')) for author in Author}
    form = {"type": "json_schema", "json_schema": {"name": "number", "schema": {"type": "object"}}}
    with (
        serving(ScriptedPool(engines)) as one,
        openai.OpenAI(base_url=one.api, api_key="none", max_retries=0) as client,
    ):
        for engine in engines.values():  # in a turn of its own the script begins again: with the answer
            engine.segments = ('{"n": 1}',)
        done = ask(client, response_format=form, stream=streams)
        answer = told(done)[0] if streams else done.choices[0].message.content
        assert json.loads(answer) == {"n": 1}
        if not streams:
            assert done.choices[0].message.reasoning_content == '{"n": 1}'
            assert done.usage.completion_tokens_details.reasoning_tokens == 2


def test_an_answer_that_does_not_fit_its_schema_is_an_error_of_its_own(client):
    with pytest.raises(openai.UnprocessableEntityError, match="is not JSON") as caught:
        ask(client, response_format={"type": "json_object"})
    assert caught.value.code == "schema_mismatch"


REFUSED = {
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "n": 2,
    "logprobs": True,
    "frequency_penalty": 0.5,
    "presence_penalty": 1,
    "logit_bias": {"1": 2},
    "tool_choice": "required",
    "reasoning_effort": "high",
    "prediction": {"type": "content", "content": "x"},
    "audio": {"voice": "alloy", "format": "wav"},
    "web_search_options": {},
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_supported_is_refused_by_name(client, name):
    with pytest.raises(openai.BadRequestError, match=f'"{name}" is not supported') as caught:
        ask(client, **{name: REFUSED[name]})
    assert (caught.value.param, caught.value.code) == (name, "unsupported_parameter")


def test_what_makes_no_difference_is_taken(client):
    done = ask(client, n=1, user="me", tools=[], presence_penalty=0, metadata={"a": "b"}, store=False, logprobs=None)
    assert done.choices[0].message.content == ANSWER


@pytest.mark.parametrize(
    ("change", "param"),
    [
        ({"temperature": 3}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": 5, "max_completion_tokens": 6}, "max_tokens"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "So"}]}, "messages"),
        ({"messages": [{"role": "robot", "content": "So"}]}, "messages.0.role"),
        ({"messages": [*QUESTION, {"role": "tool", "tool_call_id": "1", "content": "x"}]}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]}, "messages"),
        ({"stop": ["a", "b", "c", "d", "e"]}, "stop"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"extra_body": {"confspec": {"task": "maths"}}}, "confspec.task"),
        ({"extra_body": {"confspec": {"mood": "good"}}}, "confspec"),
        ({"extra_body": {"confspec": {"mode": "draft"}}, "model": "scripted/target"}, "confspec.mode"),
    ],
)
def test_what_is_wrong_is_named(client, change, param):
    with pytest.raises(openai.BadRequestError) as caught:
        ask(client, **change)
    assert caught.value.param == param


def test_a_model_that_is_not_served_is_named_with_those_that_are(client):
    with pytest.raises(openai.NotFoundError, match="this server has scripted, scripted/draft, scripted/target"):
        ask(client, model="gpt-5")


def test_a_prompt_that_does_not_fit_is_the_error_clients_know(served):
    with serving(pool(context=40)) as small, openai.OpenAI(base_url=small.api, api_key="x", max_retries=0) as client:
        with pytest.raises(openai.BadRequestError) as caught:
            ask(client, messages=[{"role": "user", "content": "word " * 50}], stream=True)
        assert caught.value.code == "context_length_exceeded"
