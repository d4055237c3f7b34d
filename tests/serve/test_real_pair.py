"""The pair tiny, served: what a client gets is what `ask` says, and a schema binds the answer."""

import json

import openai
import pytest
from support.serving import serving

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.resolve import user_registry

pytestmark = pytest.mark.model
QUESTION = "What is 17 times 23?"
SCHEMA = {"type": "object", "properties": {"colour": {"type": "string"}}, "required": ["colour"]}


@pytest.fixture(scope="module")
def served():
    options = RunOptions(pair="tiny", max_tokens=60)
    pool = ModelPool(user_registry(), HardwareOptions())
    pool.switch(options)
    with serving(pool, options=options) as one:
        yield one


@pytest.fixture(scope="module")
def client(served):
    with openai.OpenAI(base_url=served.api, api_key="none", max_retries=0) as one:
        yield one


def test_ask_says_the_same_through_the_server_as_alone(served, capsys):
    brief = ("ask", "--no-stdin", "--no-log", "-q", "-n", "60", "-p", "tiny", "--speculate", "off", QUESTION)
    replies = []
    for more in ((), ("--server", served.url)):
        assert main([*brief, *more]) in (Exit.OK, Exit.NO_ANSWER)
        replies.append(capsys.readouterr().out)
    assert replies[0] == replies[1]
    assert replies[0].strip()


def test_a_stream_is_the_whole_and_a_conversation_reuses_the_cache(client):
    messages = [{"role": "user", "content": QUESTION}]
    whole = client.chat.completions.create(model="tiny", messages=messages)
    chunks = client.chat.completions.create(model="tiny", messages=messages, stream=True)
    said = "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
    assert said == whole.choices[0].message.content
    more = [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": "And plus one?"}]
    usage = client.chat.completions.create(model="tiny", messages=more).usage
    assert usage.prompt_tokens_details.cached_tokens > usage.prompt_tokens // 2


def test_a_schema_binds_the_answer(client):
    form = {"type": "json_schema", "json_schema": {"name": "colour", "schema": SCHEMA, "strict": True}}
    messages = [{"role": "user", "content": "Name a colour."}]
    done = client.chat.completions.create(model="tiny/target", messages=messages, response_format=form)
    assert isinstance(json.loads(done.choices[0].message.content)["colour"], str)
