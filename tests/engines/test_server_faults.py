"""A server that fails in every way: one sentence each, nothing lost, and nothing sent again that was answered."""

import logging
import shutil
import socket
import subprocess
import threading
import time

import pytest
from support.engine_calls import LABELS, QUESTION, asked, text_of, written
from support.scripted_server import WRITES, Fault, ScriptedServer

from confspec_cli.core.engine import Interrupt, Power
from confspec_cli.core.events import StepCommitted
from confspec_cli.core.gate import Gate
from confspec_cli.core.messages import Sampling
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.run import ReasoningRun
from confspec_cli.core.run_config import Mode, RunConfig
from confspec_cli.core.trace import Author
from confspec_cli.engines.remote import RemoteSpec
from confspec_cli.engines.remote.connection import Patience
from confspec_cli.engines.remote.opening import open_engine
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import ConfigError, Exit, Interrupted, ServerError, UsageError

PROMPT = asked("How much?")
ASKING = asked("How much?", ask=QUESTION)
QUICK = Patience(connect=2, read=0.5, retries=2, pause=0.01)
SECRET = "s3cret-of-ours"


@pytest.fixture
def server():
    with ScriptedServer() as one:
        yield one


@pytest.fixture
def connect():
    engines = []

    def opened(url, interrupt=None, environ={}, **more):  # noqa: B006
        engines.append(open_engine(RemoteSpec(url, **more), interrupt or Interrupt(), environ, QUICK))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.close()


def test_without_faults_it_writes_judges_and_ends(server, connect):
    engine = connect(server.url)
    tokens = written(engine, PROMPT)
    assert text_of(tokens) == WRITES
    assert tokens[-1].ends
    assert all(token.entropy is None for token in tokens)
    assert engine.label_probs(ASKING, LABELS) == pytest.approx({"Yes": 0.75, "No": 0.125})


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (Fault(401, body=b'{"error": {"message": "no key"}}'), "refuses a request without a key (401): no key"),
        (Fault(403), "(403)"),
        (Fault(404, body=b'{"message": "no such model"}'), "does not know /completion: no such model"),
        (Fault(413, body=b"<html>too large</html>"), "too large (413)"),
        (Fault(500, body=b'{"error": {"message": "CUDA \\u001b[31merror"}}'), "failed (500): CUDA [31merror"),
        (Fault(502, body=b"<html>bad gateway</html>"), "failed (502)"),
        (Fault(302, {"Location": "http://elsewhere.example/x"}), "redirects to http://elsewhere.example/x"),
        (Fault(200, {"Content-Type": "text/html"}, b"<html>Log in</html>"), "a web page"),
        (Fault(200, body=b"{not json"), "something that is not JSON"),
        (Fault(200, body=b'{"stop": true}'), "does not answer"),
        (Fault(200, body=b"[]"), "does not answer"),
        (Fault(hangs=True), "has said nothing for 0 seconds"),
        (Fault(after=5), "broke off in the middle"),
    ],
    ids=lambda value: str(value.status) if isinstance(value, Fault) else "",
)
def test_a_fault_is_one_sentence_with_a_hint_and_the_engine_goes_on_after_it(server, connect, fault, words):
    engine = connect(server.url)
    server.requests.clear()
    server.faults.append(fault)
    with pytest.raises(ServerError) as failed:
        engine.label_probs(ASKING, LABELS)
    sentence = str(failed.value)
    assert words in sentence
    assert sentence.isprintable()
    assert sentence.endswith(".")
    assert failed.value.hint
    assert failed.value.exit_code is Exit.DOWNLOAD
    assert len(server.bodies("/completion")) == 1  # what was answered is not sent again
    assert engine.label_probs(ASKING, LABELS)


def stream_length(server):
    """Bytes of a whole streamed reply."""
    return sum(map(len, server._llama_stream({"prompt": [256, *b"assistant\n"], "n_predict": 60})))


def test_a_reply_cut_at_any_byte_keeps_what_came_and_says_so(server, connect):
    engine = connect(server.url)
    whole = stream_length(server)
    for after in [*range(0, 400, 23), *range(400, whole - 2, 307), whole - 3]:
        server.faults.append(Fault(after=after))
        said = ""
        with pytest.raises(ServerError, match="broke off"):
            for token in engine.generate(PROMPT, Sampling(), 60):
                said += token.text
        assert WRITES.startswith(said)
    assert text_of(written(engine, PROMPT)) == WRITES


def test_a_reply_that_stops_coming_is_given_up(server, connect):
    engine = connect(server.url)
    server.faults.append(Fault(after=700, hangs=True))
    with pytest.raises(ServerError, match="said nothing"):
        written(engine, PROMPT)
    assert server.gone.wait(5)


@pytest.mark.parametrize("status", [429, 503])
def test_a_busy_server_is_asked_again_after_the_pause_it_wants_and_not_for_ever(server, connect, status):
    engine = connect(server.url)
    server.requests.clear()
    server.faults += [Fault(status), Fault(status, {"Retry-After": "0"})]
    assert engine.label_probs(ASKING, LABELS)
    assert len(server.bodies("/completion")) == 3
    server.faults += [Fault(status)] * 3
    with pytest.raises(ServerError, match=f"busy \\({status}\\)"):
        engine.label_probs(ASKING, LABELS)
    server.faults[:] = [Fault(status, {"Retry-After": "3600"})]
    with pytest.raises(ServerError, match="wants 3600 seconds of rest"):
        engine.label_probs(ASKING, LABELS)


def test_an_interrupt_ends_the_wait_for_a_busy_server(server, connect):
    interrupt = Interrupt()
    engine = connect(server.url, interrupt)
    server.faults.append(Fault(503, {"Retry-After": "29"}))
    threading.Timer(0.1, interrupt.set).start()
    began = time.monotonic()
    with pytest.raises(Interrupted):
        engine.label_probs(ASKING, LABELS)
    assert time.monotonic() - began < 10


def test_an_interrupt_wakes_a_call_that_waits_for_the_server_and_the_server_sees_it(server, connect):
    interrupt = Interrupt()
    engine = open_engine(RemoteSpec(server.url), interrupt, {}, Patience(read=60))
    for fault in (Fault(hangs=True), Fault(after=500, hangs=True)):
        server.gone.clear()
        server.faults.append(fault)
        engine.count(PROMPT)  # tokenized, so that the call goes to the fault at once
        threading.Timer(0.3, interrupt.set).start()
        with pytest.raises(Interrupted):
            written(engine, PROMPT)
        assert server.gone.wait(5)
        interrupt.clear()
    assert text_of(written(engine, PROMPT)) == WRITES
    engine.close()


def test_closing_a_reply_half_way_stops_the_server(server, connect):
    server.pace = 0.01
    server.writes = "word " * 2000
    engine = connect(server.url)
    server.gone.clear()
    reply = engine.generate(PROMPT, Sampling(), 1000)
    next(reply)
    reply.close()
    assert server.gone.wait(5)
    assert server.written < 500


def test_a_connection_that_the_server_let_go_of_is_opened_again(server, connect):
    engine = connect(server.url)
    written(engine, PROMPT, 3)
    server.faults.append(Fault(after=0))  # of a kept connection: closed where the answer should begin
    server.failing = "nothing"
    assert text_of(written(engine, PROMPT)) == WRITES


def test_nobody_there_no_such_host_and_no_server_of_models_are_told_apart(server, connect):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        with pytest.raises(ServerError, match=r"Nothing answers at .*: Connection refused\.") as nobody:
            connect(f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert nobody.value.exit_code is Exit.DOWNLOAD
    with pytest.raises(ServerError, match="not known"):
        connect("http://no-such-host.invalid:8000")
    server.kind = "nothing"
    server._nothing = lambda path, body: None
    with pytest.raises(ServerError, match="no model server"):
        connect(server.url)


def test_a_plain_server_called_by_https_is_a_sentence(server, connect):
    with pytest.raises(ServerError, match=r"TLS|broke off"):
        connect(server.url.replace("http:", "https:"))


def test_log_probabilities_that_are_all_zero_are_not_taken_for_certainty(server, connect):
    server.is_certain = True
    engine = connect(server.url)
    assert Power.LOGPROBS not in engine.powers
    assert any("token-level speculation" in sentence for sentence in engine.missing)
    assert engine.label_probs(ASKING, LABELS)


def test_a_server_that_changes_its_model_is_not_believed(server, connect):
    engine = connect(server.url)
    server.model = "another"
    with pytest.raises(ServerError, match="another instead of scripted"):
        engine.label_probs(ASKING, LABELS)
    with pytest.raises(ServerError, match="another instead of scripted"):
        written(engine, PROMPT)


def test_a_server_that_was_away_is_asked_who_it_is(server, connect):
    engine = connect(server.url)
    server.faults.append(Fault(after=300))
    with pytest.raises(ServerError):
        written(engine, PROMPT)
    server.model = "another"
    with pytest.raises(ServerError, match="another instead of scripted"):
        written(engine, PROMPT)


def test_a_server_that_is_restarted_is_waited_for(server):
    patience = Patience(connect=2, read=5, pause=1.5)
    engine = open_engine(RemoteSpec(server.url), Interrupt(), {}, patience)
    port = server.server.server_port
    server.__exit__()
    threading.Timer(0.3, lambda: server.__enter__(port)).start()
    assert text_of(written(engine, PROMPT)) == WRITES
    engine.close()


def test_steps_that_were_committed_before_the_server_failed_are_kept(server, connect):
    models = {Author.DRAFT: ScriptedEngine(["No.\n\n"]), Author.TARGET: connect(server.url)}
    config = RunConfig(Mode.CONFSPEC, Gate(accept=1, reject=1), QUESTIONS["correct"], Sampling(), 90, 30, 3)
    server.faults += [Fault(), Fault(500)]
    kept = []
    with pytest.raises(ServerError, match="500"):
        for event in ReasoningRun(PROMPT, models, config, lambda: 0.0).events():
            kept += [event.step.text] if isinstance(event, StepCommitted) else []
    assert kept == ["Two and two.\n\n"]


def test_the_key_goes_to_the_server_and_nowhere_else(server, connect, caplog):
    caplog.set_level(logging.DEBUG)
    engine = connect(server.url, environ={"OUR_KEY": SECRET, "OPENAI_API_KEY": "another"}, api_key_env="OUR_KEY")
    assert {headers["Authorization"] for _, _, headers in server.requests} == {f"Bearer {SECRET}"}
    server.faults.append(Fault(401, body=f'{{"error": "bad key {SECRET}"}}'.encode()))
    with pytest.raises(ServerError) as refused:
        engine.label_probs(ASKING, LABELS)
    assert "the key in OUR_KEY" in str(refused.value)
    assert "***" in str(refused.value)
    assert SECRET not in str(refused.value) + repr(engine.card) + caplog.text


def test_without_a_named_variable_no_key_is_sent(server, connect):
    connect(server.url, environ={"OPENAI_API_KEY": "another"})
    assert not any("Authorization" in headers for _, _, headers in server.requests)


@pytest.mark.parametrize(
    ("url", "environ", "words"),
    [
        ("http://model.example:8000/v1", {"OUR_KEY": SECRET}, "unencrypted"),
        ("https://model.example/v1", {}, "OUR_KEY is not set"),
        ("https://model.example/v1", {"OUR_KEY": "a\nb"}, "not usable"),
        ("https://me:word@model.example/v1", {"OUR_KEY": SECRET}, "password"),
        ("ftp://model.example", {"OUR_KEY": SECRET}, "http://HOST:PORT"),
        ("http://[broken", {"OUR_KEY": SECRET}, "http://HOST:PORT"),
    ],
)
def test_a_url_or_key_that_cannot_be_used_is_refused_before_anything_is_sent(url, environ, words, connect):
    with pytest.raises(ConfigError, match=words) as refused:
        connect(url, environ=environ, api_key_env="OUR_KEY")
    assert not any(secret in str(refused.value) for secret in (SECRET, "word@", "a\nb"))


def test_certificates_that_cannot_be_read_are_named(server, connect, tmp_path):
    (tmp_path / "ca.pem").write_text("no certificate")
    with pytest.raises(UsageError, match=r"ca\.pem"):
        connect(server.url, ca_file=str(tmp_path / "ca.pem"))


@pytest.mark.skipif(shutil.which("openssl") is None, reason="needs the command openssl")
def test_a_certificate_nobody_vouches_for_is_refused_and_one_that_is_named_is_trusted(tmp_path, connect):
    both = tmp_path / "both.pem"
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=loopback -addext subjectAltName=IP:127.0.0.1"
    subprocess.run([*command.split(), "-keyout", both, "-out", tmp_path / "ca.pem"], check=True, capture_output=True)
    both.write_text(both.read_text() + (tmp_path / "ca.pem").read_text())
    with ScriptedServer(certificate=both) as server:
        with pytest.raises(ServerError, match=r"certificate of .* cannot be verified"):
            connect(server.url)
        assert not server.requests
        interrupt = Interrupt()
        engine = connect(server.url, interrupt, ca_file=str(tmp_path / "ca.pem"))
        assert text_of(written(engine, PROMPT)) == WRITES
        server.faults.append(Fault(hangs=True))
        threading.Timer(0.3, interrupt.set).start()
        with pytest.raises(Interrupted):
            engine.label_probs(ASKING, LABELS)


@pytest.mark.parametrize(
    ("url", "base", "model"),
    [
        ("http://host:8000", "http://host:8000", ""),
        ("http://host:8000/v1/", "http://host:8000", ""),
        ("https://Host/api/v1#own/model", "https://host/api", "own/model"),
        ("http://[::1]:80/v1", "http://[::1]:80", ""),
    ],
)
def test_a_url_may_end_in_v1_or_not_and_may_name_the_model(url, base, model):
    spec = RemoteSpec(url)
    assert (spec.base, spec.wanted_model) == (base, model)
    assert spec.is_loopback == ("::1" in url)
