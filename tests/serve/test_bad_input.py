"""Two hundred requests that are wrong in every way: each gets an answer, none breaks the server."""

import copy
import json
import random
from typing import Any

import httpx2
from support.serving import serving

WHOLE: dict[str, Any] = {
    "model": "scripted",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "What is 6 times 7?"}]},
        {"role": "assistant", "content": "So."},
        {"role": "user", "content": "And then?"},
    ],
    "stream": False,
    "stream_options": {"include_usage": True},
    "max_tokens": 20,
    "temperature": 0.5,
    "top_p": 0.9,
    "seed": 1,
    "stop": ["x"],
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "confspec": {"task": "code", "accept": 0.5, "reject": 0.1, "gate": "auto", "think": False},
    "tools": [],
    "n": 1,
}
ODD: list[Any] = [
    None,
    True,
    0,
    -1,
    1,
    2**31,
    2**63,
    10**400,
    1e308,
    0.5,
    "",
    "x" * 5000,
    "\ud800",
    "\x00",
    "auto",
    "<|im_end|>",
]
ODD += [[], {}, [[]], {"": {}}, [None], {"type": "object", "$ref": "#"}, {"$ref": "http://x/y"}, {"type": "text"}]


def places(value, here=()):
    """Where in a value something may be changed."""
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield (*here, key)
        yield from places(inner, (*here, key))


def spoiled(draw):
    """A request with a few things wrong, as bytes."""
    body = copy.deepcopy(WHOLE)
    for name in draw.sample(list(body)[2:], draw.randrange(12)):
        del body[name]
    for _ in range(draw.randrange(1, 4)):
        *way, key = draw.choice(list(places(body)))
        inner: Any = body
        for part in way:
            inner = inner[part]
        match draw.randrange(4):
            case 0:
                del inner[key]
            case 1 if isinstance(inner, dict):
                inner[draw.choice(["foo", "tools", "logprobs", "image"])] = draw.choice(ODD)
            case _:
                inner[key] = draw.choice(ODD)
        if not body:
            break
    raw = json.dumps(body).encode()
    if draw.random() < 0.1:
        cut = draw.randrange(len(raw))
        raw = draw.choice(
            [raw[:cut], raw[:cut] + b"\xff" + raw[cut:], b"[" * cut, raw + b"]", raw.replace(b"1", b"NaN")]
        )
    return raw


def test_no_request_breaks_the_server(capfd):
    draw = random.Random(5)
    statuses = []
    with serving() as one, httpx2.Client(base_url=one.api, trust_env=False, timeout=30) as client:
        for _ in range(200):
            raw = spoiled(draw)
            answer = client.post("/chat/completions", content=raw, headers={"Content-Type": "application/json"})
            assert answer.status_code < 500, (raw, answer.text)
            if answer.status_code >= 400:
                assert answer.json()["error"]["message"], raw
            statuses.append(answer.status_code)
        fine = {name: WHOLE[name] for name in ("model", "messages")}
        assert client.post("/chat/completions", json=fine).json()["choices"][0]["finish_reason"] == "stop"
    assert {200, 400, 404} <= set(statuses)
    assert "Traceback" not in capfd.readouterr().err
