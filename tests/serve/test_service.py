"""A server under way: clients that go, a line that is full, an end in good order, sessions, keys."""

import json
import threading
import time

import httpx2
import pytest
from support.scripted_chat import pool
from support.serving import serving, slow_pool

from confspec_cli.app import main
from confspec_cli.errors import Exit, UsageError
from confspec_cli.serve.server import Address
from confspec_cli.serve.service import Limits
from confspec_cli.storage.session_store import SessionStore

QUESTION = {"model": "scripted", "messages": [{"role": "user", "content": "What is 6 times 7?"}]}


def post(one, body=QUESTION, **more):
    return httpx2.post(f"{one.api}/chat/completions", json=body, timeout=30, trust_env=False, **more)


def get(one, path, **more):
    return httpx2.get(f"{one.url}{path}", trust_env=False, **more)


def until(is_so):
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_client_that_does_not_wait_for_its_answer_stops_its_run_within_a_token():
    with serving(slow_pool(0.2)) as one:
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(
                f"{one.api}/chat/completions",
                json={**QUESTION, "model": "scripted/target"},
                timeout=0.5,
                trust_env=False,
            )
        until(lambda: one.log)
        outcome, tokens, *_ = one.log[0].split()
        assert outcome == "interrupted"
        assert int(tokens) < 15


def test_a_stream_that_is_left_half_way_stops():
    with serving(slow_pool(0.2)) as one:
        body = {**QUESTION, "model": "scripted/target", "stream": True}
        with httpx2.stream("POST", f"{one.api}/chat/completions", json=body, trust_env=False) as response:
            lines = (line for line in response.iter_lines() if '"content": "T' in line)
            next(lines)
        until(lambda: one.log)
        outcome, tokens, *_ = one.log[0].split()
        assert outcome == "interrupted"
        assert int(tokens) < 10


def test_who_goes_while_waiting_is_never_run():
    with serving(slow_pool(0.05)) as one:
        first = threading.Thread(target=post, args=(one,))
        first.start()
        until(lambda: one.service.line.running == 1)
        with pytest.raises(httpx2.ReadTimeout):
            httpx2.post(f"{one.api}/chat/completions", json=QUESTION, timeout=0.3, trust_env=False)
        until(lambda: one.service.line.waiting == 0)
        first.join()
        until(lambda: len(one.log) == 2)
        assert sorted(line.split()[0] for line in one.log) == ["client_closed_request", "stop"]


def test_a_full_line_is_a_429_and_those_who_wait_are_told_where_they_stand():
    with serving(slow_pool(0.1), limits=Limits(waiting=1)) as one:
        threads = [threading.Thread(target=post, args=(one,))]
        threads[0].start()
        until(lambda: one.service.line.running == 1)
        with httpx2.stream(
            "POST", f"{one.api}/chat/completions", json={**QUESTION, "stream": True}, trust_env=False, timeout=30
        ) as waits:
            lines = waits.iter_lines()
            assert next(lines) == ": waiting, number 1 in the queue"
            refused = post(one)
            assert refused.status_code == 429
            assert int(refused.headers["Retry-After"]) >= 1
            assert refused.json()["error"]["code"] == "queue_full"
            assert get(one, "/health").json() == {"status": "ok", "pair": "scripted", "running": 1, "waiting": 1}
            assert list(lines)[-2] == "data: [DONE]"
        threads[0].join()


def test_a_run_that_takes_too_long_returns_what_it_has():
    with serving(slow_pool(0.1), limits=Limits(seconds=0.5)) as one:
        done = post(one, {**QUESTION, "model": "scripted/target"}).json()
        assert done["choices"][0]["finish_reason"] == "length"
        assert done["confspec"]["finish_reason"] == "interrupted"
        assert 0 < done["usage"]["completion_tokens"] < 10


def test_the_end_of_the_server_lets_runs_finish_and_sends_away_those_who_wait():
    answers = []
    with serving(slow_pool(0.05)) as one:
        threads = [threading.Thread(target=lambda: answers.append(post(one))) for _ in range(2)]
        for thread in threads:
            thread.start()
        until(lambda: one.service.line.waiting == 1)
        one.end()
        for thread in threads:
            thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 503]
    whole = next(answer.json() for answer in answers if answer.status_code == 200)
    assert whole["choices"][0]["finish_reason"] == "stop"


def test_a_conversation_is_one_session_and_another_one_is_another(own_sessions):
    store = SessionStore(own_sessions)
    with serving(store=store) as one:
        messages = QUESTION["messages"]
        for question in ("And then?", "And now?"):
            said = post(one, {**QUESTION, "messages": messages}).json()["choices"][0]["message"]["content"]
            messages = [*messages, {"role": "assistant", "content": said}, {"role": "user", "content": question}]
        post(one)
        post(one, {**QUESTION, "confspec": {"no_log": True}})
        first, second = sorted(store.list(), key=lambda session: session.id)
        assert [turn.user for turn in first.turns()] == ["What is 6 times 7?", "And then?"]
        assert [turn.user for turn in second.turns()] == ["What is 6 times 7?"]


def test_a_key_is_asked_for_everywhere_but_at_the_health_check():
    with serving(key="secret") as one:
        assert get(one, "/health").status_code == 200
        for path in ("/v1/models", "/metrics"):
            assert get(one, path).status_code == 401
            assert get(one, path, headers={"Authorization": "Bearer secret"}).status_code == 200
        refused = post(one, headers={"Authorization": "Bearer wrong"})
        assert (refused.status_code, refused.json()["error"]["code"]) == (401, "invalid_api_key")
        assert post(one, headers={"Authorization": "Bearer secret"}).status_code == 200


def test_other_machines_may_not_be_listened_to_without_a_key():
    for host in ("0.0.0.0", "::", "example.org"):
        with pytest.raises(UsageError, match="needs a key"):
            Address(host, 8765)
    assert Address("0.0.0.0", 8765, "secret")
    assert Address("localhost", 8765)


def test_a_web_page_gets_nothing_unless_its_origin_was_named():
    page = {"Origin": "https://page.example"}
    with serving(origins=["https://page.example"]) as one:
        assert get(one, "/v1/models", headers=page).headers["access-control-allow-origin"] == "https://page.example"
    with serving() as one:
        assert "access-control-allow-origin" not in get(one, "/v1/models", headers=page).headers
        assert get(one, "/v1/models", headers={"Host": "page.example"}).status_code == 400  # a name that leads here
        text = {"Content-Type": "text/plain"}  # what a page may send without asking first
        body = json.dumps(QUESTION)
        assert (
            httpx2.post(f"{one.api}/chat/completions", content=body, headers=text, trust_env=False).status_code == 415
        )


def test_what_is_too_large_or_no_json_or_nowhere_is_an_error_in_openais_shape():
    with serving() as one:
        headers = {"Content-Type": "application/json"}
        url = f"{one.api}/chat/completions"
        for content, status in ((b"x" * (9 << 20), 413), (b"{", 400), (b"\xff", 400), (b"[]", 400), (b"[" * 9999, 400)):
            answer = httpx2.post(url, content=content, headers=headers, trust_env=False)
            assert (answer.status_code, "message" in answer.json()["error"]) == (status, True)
        assert get(one, "/v1/nothing").json()["error"]["code"] == "not_found"
        assert get(one, "/v1/chat/completions").json()["error"]["code"] == "method_not_allowed"


def test_the_description_names_the_models_and_every_setting():
    with serving() as one:
        described = get(one, "/openapi.json").json()
    content = described["paths"]["/v1/chat/completions"]["post"]["requestBody"]["content"]
    properties = content["application/json"]["schema"]["properties"]
    assert properties["model"]["enum"] == ["scripted", "scripted/draft", "scripted/target"]
    assert {"max_tokens", "response_format", "confspec"} <= properties.keys()


def test_the_counters_say_what_was_done():
    with serving() as one:
        post(one)
        post(one, {**QUESTION, "n": 2})
        page = get(one, "/metrics").text
    assert 'confspec_requests_total{outcome="stop"} 1' in page
    assert 'confspec_requests_total{outcome="unsupported_parameter"} 1' in page
    assert 'confspec_steps_total{origin="target"} 1' in page
    assert 'confspec_tokens_total{author="draft"} 11' in page
    assert 'confspec_verifications_total{model="target",decision="reject"} 1' in page
    assert "confspec_discarded_tokens_total 6" in page
    assert "\nconfspec_running 0\n" in page


def test_nothing_that_was_said_is_logged(capfd):
    with serving() as one:
        post(one, {**QUESTION, "messages": [{"role": "user", "content": "a secret plan"}]})
        post(one, {**QUESTION, "messages": "a secret plan"})
    captured = capfd.readouterr()
    assert "secret" not in "".join([*one.log, captured.out, captured.err])
    assert [line.split()[0] for line in one.log] == ["stop", "invalid_value"]


def test_a_client_with_many_requests_does_not_hold_up_another():
    done = []
    with serving(slow_pool(0.02)) as one:

        def ask(user):
            post(one, {**QUESTION, "user": user})
            done.append(user)

        busy = [threading.Thread(target=ask, args=("busy",)) for _ in range(5)]
        for thread in busy:
            thread.start()
        until(lambda: one.service.line.waiting == 4)
        late = threading.Thread(target=ask, args=("late",))
        late.start()
        for thread in [*busy, late]:
            thread.join()
    assert done.index("late") <= 2


def test_several_runs_go_on_at_once_where_there_are_several_slots():
    with serving(slow_pool(0.05), slow_pool(0.05)) as one:
        threads = [threading.Thread(target=post, args=(one,)) for _ in range(2)]
        for thread in threads:
            thread.start()
        until(lambda: one.service.line.running == 2)
        for thread in threads:
            thread.join()


def test_the_gate_and_the_models_of_one_request_are_not_those_of_the_next():
    with serving(pool()) as one:
        rejecting = post(one, {**QUESTION, "confspec": {"accept": 1, "reject": 1}}).json()
        usual = post(one).json()
    assert [step["origin"] for step in rejecting["confspec"]["steps"]] == ["target"] * 3
    assert [step["origin"] for step in usual["confspec"]["steps"]] == ["draft", "target", "draft"]


def test_each_model_is_listed_with_what_answers_and_its_context_whatever_was_asked_last():
    with serving(pool(context=512)) as one:
        before = get(one, "/v1/models").json()
        assert post(one, {**QUESTION, "model": "scripted/target"}).status_code == 200
        listed = get(one, "/v1/models").json()
    assert listed == before
    assert [(model["id"], model["context_length"]) for model in listed["data"]] == [
        ("scripted", 512),
        ("scripted/draft", 512),
        ("scripted/target", 512),
    ]


def test_as_a_model_of_another_pair_it_is_refused_by_name(capsys):
    with serving() as one:
        assert main(["ask", "--no-stdin", "--no-log", "--target", f"{one.api}#scripted/target", "x"]) == Exit.DOWNLOAD
        said = capsys.readouterr().err
    assert f"{one.url} is a confspec server: its pair answers whole questions" in said
    assert f"confspec ask --server {one.url}" in said
