"""YAML as strangers write it: scalars as YAML 1.2 has them, and nothing without bounds."""

from pathlib import Path

import pytest
import yaml

from confspec_cli import yaml_reading
from confspec_cli.errors import ConfigError
from confspec_cli.yaml_reading import dump, parse, text_of

FILE = Path("models.yaml")


@pytest.fixture(params=["CSafeLoader", "SafeLoader"], autouse=True)
def _with_and_without_libyaml(request, monkeypatch):
    monkeypatch.setattr(yaml, "CSafeLoader", getattr(yaml, request.param))
    yaml_reading._loader.cache_clear()
    yield
    yaml_reading._loader.cache_clear()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *(
            (word, word)
            for word in ("on", "no", "yes", "off", "1:30", "010", "1_000", "0x10", "2026-11-24", "1.2.3", "+")
        ),
        *(("true", True), ("False", False), ("~", None), ("", None), ("-12", -12), ("0", 0)),
        *(("1e-05", 1e-5), ("1.", 1.0), (".5", 0.5), ("-.inf", float("-inf")), ("'12'", "12")),
    ],
)
def test_a_scalar_is_what_yaml_1_2_says(text, value):
    assert parse(f"key: {text}", FILE).values == {"key": value}


@pytest.mark.parametrize("text", ["on", "1e3", "1:30", "010", "no", "~", "true", "1.5", "<<", "", "x: y", "a\nb"])
def test_what_is_written_is_read_as_the_same(text):
    values = {text or "empty": text, "number": 1e-5, "switch": True, "none": None}
    assert parse(dump(values), FILE).values == values


def test_merged_tables_stand_behind_ones_own_keys():
    table = parse("a: &a {x: 1, y: 1}\nb: &b {x: 2, z: 2}\nc: {<<: [*a, *b], y: 3}", FILE).table("c")
    assert dict(table.values) == {"x": 1, "y": 3, "z": 2}


BOMB = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]\n" for n in range(1, 12)
)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BOMB, "more than 100000 values, its aliases expanded"),
        (
            BOMB.replace("[x, x, x, x, x, x, x, x, x, x]", "{x: 1}").replace("[*", "{<<: [*").replace("]", "]}"),
            "100000",
        ),
        ("[" * 900 + "]" * 900, "nested too deeply"),
        ("[" * 100_000, "models.yaml"),
        ("a: &a [*a]", "models.yaml"),
        ("a: !ours x", "line 1: the tag !ours is not supported."),
        ("a: !!binary aGk=", "is not supported."),
        ("a: " + "9" * 5000, "models.yaml"),
        ("a: {<<: 3}", "line 1: << takes tables."),
        ("a: \0", "models.yaml"),
    ],
)
def test_what_is_odd_or_has_no_bounds_is_a_sentence(text, says):
    with pytest.raises(ConfigError) as caught:
        parse(text, FILE)
    assert says in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_giant_file_is_not_read_to_its_end(tmp_path):
    file = tmp_path / "models.yaml"
    with file.open("wb") as stream:
        stream.truncate(1 << 34)
    with pytest.raises(ConfigError, match="longer than 1 MiB"):
        text_of(file)
