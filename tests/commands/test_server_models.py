"""`confspec models …`, `pull`, `fit` and `ask` for models that run on a server, while none of them answers."""

import json
import socket

import pytest

from confspec_cli.app import main
from confspec_cli.errors import Exit
from confspec_cli.models.registry import load


@pytest.fixture
def closed_port():
    """A port of this machine that refuses connections, as long as the test runs."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield taken.getsockname()[1]


@pytest.fixture
def home(tmp_path, monkeypatch, closed_port, tiny):
    """A user with a draft here, a target on a server that does not answer, and a pair of the two."""
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "models.yaml").write_text(
        f"""\
models:
  small: {{files: [{{name: small.gguf, sources: [{{path: "{tiny("llama")}"}}]}}]}}
  big: {{url: "http://127.0.0.1:{closed_port}/v1", model: large}}
  paid: {{url: "https://models.example", api_key_env: CONFSPEC_TEST_KEY}}
pairs:
  mixed: {{draft: small, target: big}}
  far: {{draft: big, target: big}}
"""
    )
    monkeypatch.setenv("CONFSPEC_CONFIG_DIR", str(tmp_path / "config"))
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    monkeypatch.setenv("CONFSPEC_STATE", str(tmp_path / "state"))
    monkeypatch.delenv("CONFSPEC_TEST_KEY", raising=False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path


def own(home):
    return load(home / "config" / "models.yaml")


@pytest.mark.parametrize("words", [("pull",), ("models", "path"), ("models", "rm", "-y")])
def test_a_model_on_a_server_has_no_files_to_pull_find_or_delete(home, capsys, words, closed_port):
    assert main([*words, "big"]) == Exit.USAGE
    err = capsys.readouterr().err
    assert f"big runs on 127.0.0.1:{closed_port}: there are no files of it here." in err
    assert "confspec models show big" in err


def test_the_list_has_models_on_servers_in_a_table_of_their_own(home, capsys, closed_port):
    assert main(["models", "list"]) == Exit.OK
    out = capsys.readouterr().out
    assert f"big          http://127.0.0.1:{closed_port}/v1  large  auto" in out
    assert main(["models", "list", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert [one["name"] for one in document["remotes"]] == ["big", "paid"]
    assert {pair["name"]: pair["here"] for pair in document["pairs"]}["far"] is True


def test_a_pair_says_which_of_its_models_is_on_a_server(home, capsys, closed_port):
    assert main(["models", "show", "mixed"]) == Exit.OK
    out = capsys.readouterr().out
    assert f"target       big: on the server http://127.0.0.1:{closed_port}#large" in out
    assert "cost ratio   unknown" in out
    assert main(["models", "pair", "check", "mixed"]) == Exit.OK
    assert "thresholds for math, qa, code, plain are defaults" in capsys.readouterr().out


def test_fit_counts_the_models_that_run_here(home, capsys):
    assert main(["fit", "mixed", "--json"]) == Exit.OK
    document = json.loads(capsys.readouterr().out)
    assert document["draft"]["total"] > 0
    assert "target" not in document
    assert main(["fit", "mixed"]) == Exit.OK
    assert "target" not in capsys.readouterr().out
    assert main(["fit", "far"]) == Exit.USAGE
    assert "there are no files of it here" in capsys.readouterr().err


def test_add_keeps_a_server_in_models_yaml(home, capsys):
    url = "https://gpu.example:8000/v1#Qwen/Qwen3-32B"
    assert main(["models", "add", "gpu", url, "--server", "vllm", "--api-key-env", "GPU_KEY"]) == Exit.OK
    gpu = own(home).remotes["gpu"]
    assert (gpu.url, gpu.model, gpu.server.value) == ("https://gpu.example:8000/v1", "Qwen/Qwen3-32B", "vllm")
    assert gpu.api_key_env == "GPU_KEY"
    assert main(["models", "pair", "add", "long", "small", "gpu"]) == Exit.OK
    assert own(home).pair("long").target == "gpu"
    assert main(["models", "add", "gpu", url]) == Exit.USAGE


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["https://me:hunter2@gpu.example"], "the URL must not hold a user name or password"),
        (["https://gpu.example#one", "--model", "two"], "The model is named twice"),
        (["https://gpu.example", "--api-key-env", "sk-hunter2"], "api_key_env must be the name of a variable"),
        (["small.gguf", "--server", "vllm"], "--server is for a model on a server, not for a file."),
    ],
)
def test_add_refuses_what_cannot_be_a_server(home, capsys, words, says):
    before = (home / "config" / "models.yaml").read_text()
    assert main(["models", "add", "gpu", *words]) == Exit.USAGE
    err = capsys.readouterr().err
    assert says in err
    assert "hunter2" not in err
    assert (home / "config" / "models.yaml").read_text() == before


def test_verify_goes_through_all_servers_and_names_those_that_cannot_be_used(home, capsys, closed_port):
    assert main(["models", "verify", "-q"]) == Exit.DOWNLOAD
    err = capsys.readouterr().err
    assert f"warning: big: Nothing answers at http://127.0.0.1:{closed_port}" in err
    assert "warning: paid: CONFSPEC_TEST_KEY is not set" in err
    assert "These models cannot be reached: big, paid." in err
    assert "confspec models show big" in err


def test_a_server_that_does_not_answer_is_named_before_anything_is_loaded(home, capsys, closed_port):
    assert main(["ask", "-p", "mixed", "--no-stdin", "Hi"]) == Exit.DOWNLOAD
    err = capsys.readouterr().err
    assert f"127.0.0.1:{closed_port}" in err
    assert "Traceback" not in err
    assert "loading" not in err


@pytest.mark.parametrize(
    "words", [("models", "show", "paid"), ("ask", "--target", "paid", "--mode", "target", "--no-stdin", "Hi")]
)
def test_a_key_that_is_not_set_is_asked_for_before_anything_else(home, capsys, words):
    assert main([*words]) == Exit.USAGE
    assert "CONFSPEC_TEST_KEY" in capsys.readouterr().err
    assert not (home / "sessions").exists()


def test_a_key_is_not_sent_unencrypted_to_another_machine(home, capsys, monkeypatch):
    monkeypatch.setenv("CONFSPEC_TEST_KEY", "secret")
    assert main(["models", "add", "gpu", "http://192.0.2.7:8000", "--api-key-env", "CONFSPEC_TEST_KEY"]) == Exit.OK
    assert main(["ask", "--target", "gpu", "--mode", "target", "--no-stdin", "Hi"]) == Exit.USAGE
    err = capsys.readouterr().err
    assert "would cross the network unencrypted to http://192.0.2.7:8000" in err
    assert "secret" not in err


def test_the_best_pair_for_this_machine_is_never_on_a_server(home, monkeypatch, capsys):
    assert main(["fit", "--json"]) in (Exit.OK, Exit.OUT_OF_MEMORY)
    assert json.loads(capsys.readouterr().out)["pair"] not in ("mixed", "far")
