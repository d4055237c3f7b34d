"""Commands over a real llama-server: asked, gone on with, looked at."""

import json
import shutil

import pytest
from support.llama_server import llama_server, needs_llama_server

from confspec_cli.app import main
from confspec_cli.errors import Exit

pytestmark = [pytest.mark.server, needs_llama_server]
BRIEF = ("--no-stdin", "--task", "plain", "-n", "40", "--max-step-tokens", "12", "--format", "jsonl")


@pytest.fixture(scope="module")
def url(tiny, tmp_path_factory):
    """The URL of a model that is served as tiny."""
    path = tmp_path_factory.mktemp("served") / "tiny.gguf"
    shutil.copy(tiny("llama", seed=5), path)
    with llama_server(path) as address:
        yield address


@pytest.fixture(autouse=True)
def home(tmp_path, monkeypatch, url):
    """A user whose models.yaml names the server, with folders of their own."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.yaml").write_text(f"models: {{big: {{url: '{url}/v1'}}}}\n")
    for variable, folder in (("CONFIG_DIR", "config"), ("MODELS", "models"), ("STATE", "state")):
        monkeypatch.setenv(f"CONFSPEC_{variable}", str(tmp_path / folder))
    return tmp_path


@pytest.fixture
def run(capsys):
    """Run a command; gives the exit code, the events on stdout, and stderr."""

    def ran(*argv):
        code = main(argv)
        captured = capsys.readouterr()
        return code, [json.loads(line) for line in captured.out.splitlines()], captured.err

    return ran


def replies(events):
    return [event["reply"] for event in events if "reply" in event]


@pytest.mark.parametrize("form", ["{url}#tiny", "{url}/v1#tiny", "big"])
def test_a_local_draft_and_a_target_on_a_server_answer_together(run, tiny, url, form):
    name = form.format(url=url)
    code, events, err = run("ask", "--draft", str(tiny("llama")), "--target", name, *BRIEF, "Count to three.")
    assert code == Exit.NO_ANSWER, err  # the model rambles until the limit
    started = events[0]["models"]
    assert started["target"]["name"] == ("big" if name == "big" else f"{url}#tiny")
    assert started["target"]["server"] == f"llama-server {url}"
    assert started["draft"]["file"].endswith(".gguf")
    assert f"the whole conversation is sent to {url.removeprefix('http://')}" in err


def test_rejecting_every_step_gives_what_the_server_says_alone(run, tiny, url):
    common = ("--target", f"{url}#tiny", *BRIEF, "Count to three.")
    _, alone, _ = run("ask", "--mode", "target", *common)
    _, rejecting, _ = run("ask", "--draft", str(tiny("llama")), "--reject", "1", "--accept", "1", *common)
    assert replies(alone) == replies(rejecting)
    assert len(replies(alone)[0]) > 20


def test_both_models_may_be_on_servers(run, url):
    code, events, err = run("ask", "--draft", "big", "--target", f"{url}#tiny", *BRIEF, "Count to three.")
    assert code == Exit.NO_ANSWER, err  # the model rambles until the limit
    assert {card["name"] for card in events[0]["models"].values()} == {"big", f"{url}#tiny"}


@pytest.mark.parametrize("name", ["{url}#tiny", "big"])
def test_a_conversation_goes_on_with_the_server_it_was_had_with(run, url, name):
    _, first, _ = run("ask", "--mode", "target", "--target", name.format(url=url), *BRIEF, "Hello")
    _, second, err = run("ask", "--mode", "target", "-c", *BRIEF, "And then?")
    assert second[0]["models"]["target"] == first[0]["models"]["target"]
    assert "the whole conversation is sent" not in err


def test_show_says_what_a_server_can_do_and_what_is_sent_to_it(url, capsys):
    for name in ("big", f"{url}/v1"):
        assert main(["models", "show", name]) == Exit.OK
        out = capsys.readouterr().out
        assert f"server       llama-server at {url}, answers within " in out
        assert "context      2048 tokens" in out
        assert "give verdicts" in out
        assert "lacks        llama-server cannot score a step it did not write" in out
        assert "sent there   the whole conversation" in out
    assert main(["models", "show", "big", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert (document["server"], document["context"]) == ("llama-server", 2048)
    assert "labels" in document["powers"]
    assert "score" not in document["powers"]


def test_verify_and_doctor_reach_the_servers_of_models_yaml(url, capsys, monkeypatch):
    assert main(["models", "verify"]) == Exit.OK
    assert "big: reachable, llama-server serves " in capsys.readouterr().err
    assert main(["models", "verify", "big", "-q"]) == Exit.OK
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    main(["doctor"])
    assert "ok    server      big: reachable, llama-server serves " in capsys.readouterr().out


def test_a_gate_that_needs_scores_is_refused_by_name_before_anything_is_asked(home, tiny, url, capsys):
    file = home / "config" / "models.yaml"
    file.write_text(
        f"""\
models:
  big: {{url: '{url}'}}
  small: {{files: [{{name: small.gguf, sources: [{{path: '{tiny("llama")}'}}]}}]}}
pairs:
  mixed: {{draft: small, target: big, gate: {{signal: likelihood, accept: 0.5}}}}
"""
    )
    assert main(["ask", "-p", "mixed", "--no-stdin", "Hi"]) == Exit.USAGE
    err = capsys.readouterr().err
    assert "The target big cannot score a step it did not write, which this gate needs." in err
