"""The user's models.yaml is changed in place, and never broken."""

import os
import subprocess
import sys

import pytest

from confspec_cli.errors import ConfigError, StorageError, UsageError
from confspec_cli.models import registry
from confspec_cli.models.yaml_editing import put

OWN = """\
# mine
schema: 2
pairs:
  starter:  # the one I use
    context: 8192   # more room
    gate: {accept: 0.8}
"""


@pytest.fixture
def own(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(OWN)
    return file


def test_a_value_is_set_and_everything_else_stays_as_it_was(own):
    put(own, (("pairs", "starter", "context"), 4096))
    assert own.read_text() == OWN.replace("8192", "4096")
    assert registry.load(own).pair("starter").context == 4096


def test_tables_are_made_on_the_way_and_taken_away_again(own):
    put(own, (("pairs", "mine"), {"draft": "smollm2-135m-q4_1", "target": "qwen2.5-coder-0.5b-q4_k_m"}))
    assert registry.load(own).pair("mine").target == "qwen2.5-coder-0.5b-q4_k_m"
    assert own.read_text().startswith(OWN.rstrip("\n"))
    put(own, (("pairs", "mine"), None), (("pairs", "none", "gate"), None))
    assert own.read_text().rstrip("\n") == OWN.rstrip("\n")


OLD = """\
schema: 1  # as it was
pairs:
  stop:  # a pair may be called that
    draft: smollm2-135m-q4_1
    target: qwen2.5-coder-0.5b-q4_k_m
    about: "stop: certainty"
    gate: {signal: likelihood, "stop": 0.1, certainty: 0.2}  # stop early
    gates:
      code:
        pays: false  # it does not
        accept: 0.5
"""


def test_a_file_of_schema_1_is_read_under_its_old_names_in_gates_alone(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(OLD)
    pair = registry.load(file).pair("stop")
    assert (pair.gate.min_token_prob, pair.gate.min_label_mass) == (0.1, 0.2)
    assert pair.gates.code.worth_drafting is False
    file.write_text(OLD.replace("    about:", "    stop:"))
    with pytest.raises(ConfigError, match='line 6: there is no key "stop" here'):
        registry.load(file)
    file.write_text(OLD.replace('"stop": 0.1', "stop: 0.1, min_token_prob: 0.3"))
    with pytest.raises(ConfigError, match="line 7: stop is the old name of min_token_prob"):
        registry.load(file)


def test_editing_a_file_of_schema_1_makes_it_one_of_schema_2_and_keeps_its_comments(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text(OLD)
    put(file, (("pairs", "stop", "context"), 4096))
    expected = OLD.replace("schema: 1", "schema: 2").replace(
        '"stop": 0.1, certainty', "min_token_prob: 0.1, min_label_mass"
    )
    expected = expected.replace("pays", "worth_drafting")
    assert file.read_text() == expected + "    context: 4096\n"
    assert registry.load(file).pair("stop").gates.code.worth_drafting is False


def test_a_file_without_a_schema_may_have_the_old_names_too(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text("pairs:\n  tiny:\n    gate: {stop: 0.4}\n")
    put(file, (("default_pair",), "tiny"))
    assert file.read_text() == "pairs:\n  tiny:\n    gate: {min_token_prob: 0.4}\ndefault_pair: tiny\n"


@pytest.mark.parametrize("name", ["on", "off", "no", "yes", "true", "null", "1:30", "12", "1e3", "010"])
def test_a_name_stays_the_text_it_is(tmp_path, name):
    file = tmp_path / "models.yaml"
    pair = {"draft": "smollm2-135m-q4_1", "target": "qwen2.5-coder-0.5b-q4_k_m", "about": name}
    put(file, (("pairs", name), pair), (("default_pair",), name))
    assert registry.load(file).pair(registry.load(file).default_pair).about == name
    assert "'" not in name
    file.write_text(file.read_text().replace(f"'{name}':", f"{name}:"))  # as a person would type it
    put(file, (("pairs", name, "context"), 512))
    assert registry.load(file).pair(name).context == 512
    put(file, (("default_pair",), None), (("pairs", name), None))
    assert name not in registry.load(file).pairs


def test_many_at_once_lose_nothing(tmp_path):
    file = tmp_path / "models.yaml"
    code = "import sys; from pathlib import Path; from confspec_cli.models.yaml_editing import put; "
    code += "put(Path(sys.argv[1]), (('pairs', sys.argv[2], 'context'), 512))"
    names = list(registry.load(None).pairs)[:6]
    running = [subprocess.Popen([sys.executable, "-c", code, str(file), name]) for name in names]
    assert [process.wait() for process in running] == [0] * len(names)
    kept = registry.load(file).pairs
    assert [kept[name].context for name in names] == [512] * len(names)


def test_what_was_added_by_another_in_the_meantime_is_seen(own):
    def taken(now):
        assert now.pair("starter").context == 8192
        raise UsageError("taken")

    with pytest.raises(UsageError, match="taken"):
        put(own, (("default_pair",), "tiny"), check=taken)
    assert own.read_text() == OWN


@pytest.mark.parametrize("target", ["/dev/zero", "/dev/null", "fifo"])
def test_what_is_no_regular_file_is_refused_at_once(tmp_path, target):
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "models.yaml").symlink_to(tmp_path / target)
    with pytest.raises(ConfigError, match="not a regular file"):
        registry.load(tmp_path / "models.yaml")
    with pytest.raises(ConfigError, match="not a regular file"):
        put(tmp_path / "models.yaml", (("default_pair",), "tiny"))


def test_a_file_that_was_not_there_is_begun_with_its_folder(tmp_path):
    file = tmp_path / "new" / "models.yaml"
    put(file, (("default_pair",), "tiny"))
    assert registry.load(file).default_pair == "tiny"
    assert file.read_text().startswith("schema: 2\n")


@pytest.mark.parametrize(
    ("key", "value", "said"),
    [
        (("pairs", "starter", "contxt"), 1, "contxt"),
        (("pairs", "starter", "gate", "accept"), 7, "from 0 to 1"),
        (("default_pair",), "nobody", "nobody"),
    ],
)
def test_what_would_break_the_file_is_refused_and_leaves_it_alone(own, key, value, said):
    with pytest.raises(ConfigError, match=said) as caught:
        put(own, (key, value))
    assert str(own.parent) in str(caught.value)
    assert own.read_text() == OWN
    assert sorted(path.name for path in own.parent.iterdir()) == [".models.yaml.lock", "models.yaml"]


def test_a_broken_file_is_named_and_left_alone(own):
    own.write_text("schema: [")
    with pytest.raises(ConfigError, match="line"):
        put(own, (("default_pair",), "tiny"))
    assert own.read_text() == "schema: ["


def test_its_mode_and_a_link_to_it_stay(own, tmp_path):
    own.chmod(0o600)
    link = tmp_path / "link.yaml"
    link.symlink_to(own)
    put(link, (("default_pair",), "tiny"))
    assert link.is_symlink()
    assert own.stat().st_mode & 0o777 == 0o600
    assert "default_pair: tiny" in own.read_text()


def test_a_folder_that_cannot_be_made_is_an_error_of_storage(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises((StorageError, ConfigError)):
        put(tmp_path / "file" / "models.yaml", (("default_pair",), "tiny"))
