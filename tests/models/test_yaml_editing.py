"""The user's models.yaml is changed in place, and never broken."""

import pytest

from confspec_cli.errors import ConfigError, StorageError
from confspec_cli.models import registry
from confspec_cli.models.yaml_editing import put

OWN = """\
# mine
schema: 1
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
    assert [path.name for path in own.parent.iterdir()] == ["models.yaml"]


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
