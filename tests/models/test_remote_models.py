"""Models on servers: what an address means, and what in models.yaml is refused."""

import pytest

from confspec_cli.errors import ConfigError, ModelMissing, UsageError
from confspec_cli.models.registry import fingerprints, load
from confspec_cli.models.remote_models import ServerKind, at_address, is_address

BIG = "models: {big: {url: 'https://gpu.example/v1', model: Qwen, api_key_env: GPU_KEY}}\n"


@pytest.fixture
def user(tmp_path):
    """Load the registry with this text as the user's models.yaml."""

    def loaded(text):
        file = tmp_path / "models.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file)

    return loaded


@pytest.mark.parametrize(
    "text",
    [
        "http://gpu:8000/v1#Qwen/Qwen3-32B",
        "http://gpu:8000/v1/#Qwen/Qwen3-32B",
        "http://gpu:8000#Qwen/Qwen3-32B",
        "HTTP://GPU:8000/#Qwen/Qwen3-32B",
    ],
)
def test_an_address_means_the_same_model_however_it_is_written(text):
    model = at_address(text)
    assert is_address(text)
    assert model.name == model.address == "http://gpu:8000#Qwen/Qwen3-32B"
    assert (model.model, model.host.lower()) == ("Qwen/Qwen3-32B", "gpu:8000")


def test_an_address_without_a_model_means_the_one_the_server_has():
    assert at_address("https://gpu.example/api/v1").address == "https://gpu.example/api"
    assert at_address("https://gpu.example/api/v1").model == ""


@pytest.mark.parametrize(
    "text",
    [
        "http://",
        "http://:8000",
        "http://gpu:eighty",
        "http://gpu:0",
        "http://gpu:99999",
        "http://[gpu",
        "http://gpu/v1?key=abc",
        "http://gpu /v1",
        "http://gpu/\x1b[2J",
        "http://gpu#a\nb",
    ],
)
def test_what_is_no_address_of_a_server_is_refused(text):
    with pytest.raises(UsageError, match="This address cannot be used") as caught:
        at_address(text)
    assert "\x1b" not in str(caught.value)


def test_a_password_in_an_address_is_refused_and_not_repeated():
    with pytest.raises(UsageError, match="must not hold a user name or password") as caught:
        at_address("https://me:hunter2@gpu.example/v1")
    assert "hunter2" not in str(caught.value) + caught.value.hint


def test_a_model_of_the_registry_may_be_on_a_server(user):
    registry = user(f"{BIG}pairs: {{mixed: {{draft: qwen3-0.6b-q8_0, target: big}}}}")
    big = registry.role("big")
    assert (big.address, big.server) == ("https://gpu.example#Qwen", ServerKind.AUTO)
    assert registry.remotes == {"big": big}
    assert "big" not in registry.models
    assert [model.name for model in registry.models_of("mixed")] == ["qwen3-0.6b-q8_0"]
    assert registry.roles_of("mixed")[1] is big
    assert registry.cost_ratio(registry.pair("mixed")) is None
    assert fingerprints([big]) == ["https://gpu.example#Qwen"]
    with pytest.raises(ModelMissing, match='did you mean "big"'):
        registry.role("bigg")
    for name in ("big", "mixed-up"):
        with pytest.raises(UsageError if name == "big" else ModelMissing):
            registry.models_of(name)


def test_files_named_beside_a_server_are_relative_to_models_yaml(user, tmp_path):
    registry = user("models: {big: {url: 'https://gpu', ca_file: ca.pem, tokenizer: /models/draft.gguf}}")
    assert registry.remotes["big"].ca_file == str(tmp_path / "ca.pem")
    assert registry.remotes["big"].tokenizer == "/models/draft.gguf"


@pytest.mark.parametrize(
    ("entry", "says"),
    [
        ("{url: gpu:8000}", "line 1: the URL must be like http://HOST:8000/v1."),
        ("{url: 'ftp://gpu'}", "the URL must be like http://HOST:8000/v1."),
        ("{url: 'http://u:p@gpu'}", "must not hold a user name or password"),
        ("{url: 'http://gpu', api_key_env: sk-123}", "api_key_env must be the name of a variable, not the key itself"),
        ("{url: 'http://gpu', api-key-env: KEY}", 'there is no key "api-key-env" here; did you mean "api_key_env"?'),
        ("{url: 'http://gpu', server: vlm}", "server must be one of auto, vllm, sglang, llama-server, openai; did"),
        ("{url: 'http://gpu', files: []}", 'there is no key "files" here'),
    ],
)
def test_a_model_on_a_server_that_cannot_be_is_refused_with_its_line(user, entry, says):
    with pytest.raises(ConfigError) as caught:
        user(f"models: {{big: {entry}}}")
    assert says in str(caught.value)
    assert "sk-123" not in str(caught.value)
