"""models.yaml as tables: the one that ships, the user's own, and one of an earlier schema converted as it is read.

Knows files, versions and the topmost keys; refuses to know what a model or a pair is.
"""

from __future__ import annotations

import importlib.resources
from pathlib import Path

from confspec_cli.errors import ConfigError
from confspec_cli.yaml_reading import parse
from confspec_cli.yaml_tables import YamlTable, check_keys

SCHEMA = 2
"""The version of models.yaml this package reads; an older file is converted as it is read."""

OLD_KEYS = {"stop": "min_token_prob", "certainty": "min_label_mass", "pays": "worth_drafting"}
"""The keys of gates that had other names in schema 1."""


def is_old(schema: object) -> bool:
    """Whether a file of this schema may hold the names of schema 1; one that names none was written by hand."""
    return schema in (1, None)


def shipped_table() -> YamlTable:
    """The file inside the package; in a checkout it lies beside the package."""
    packaged = importlib.resources.files("confspec_cli") / "models.yaml"
    beside = Path(__file__).parents[2] / "models.yaml"
    for place in (packaged, beside):
        if place.is_file():
            return table_of(place.read_text(encoding="utf-8"), Path("models.yaml"))
    raise ConfigError("models.yaml is missing from this installation.", "pip install --force-reinstall confspec-cli")


def table_of(text: str, file: Path) -> YamlTable:
    """One models.yaml, its own keys and version checked."""
    table = parse(text, file)
    if not isinstance(table, YamlTable):
        raise ConfigError(f"{file} must be a table of the keys schema, default_pair, settings, models and pairs.")
    schema = table.values.get("schema", SCHEMA)
    if not isinstance(schema, int) or isinstance(schema, bool) or schema < 1:
        raise ConfigError(f"{table.at('schema')}: schema must be {SCHEMA}.")
    if schema > SCHEMA:
        message = f"{table.at('schema')}: schema {schema} needs a later confspec; this one reads up to {SCHEMA}."
        raise ConfigError(message, "pip install --upgrade confspec-cli")
    if is_old(table.values.get("schema")):
        table = _converted(table)
    check_keys(table, ("schema", "default_pair", "settings", "models", "pairs"))
    return table


def _converted(table: YamlTable) -> YamlTable:
    """A models.yaml of schema 1 in the present one, which has other names for keys of gates."""

    def gate(inner: YamlTable) -> YamlTable:
        if clash := next((old for old, new in OLD_KEYS.items() if {old, new} <= set(inner.values)), None):
            raise ConfigError(f"{inner.at(clash)}: {clash} is the old name of {OLD_KEYS[clash]}, which is there too.")
        return YamlTable(
            inner.place,
            {OLD_KEYS.get(name, name): value for name, value in inner.values.items()},
            {OLD_KEYS.get(name, name): place for name, place in inner.places.items()},
        )

    def pair(inner: YamlTable) -> YamlTable:
        return inner.mapped({"gate": gate, "gates": lambda gates: gates.mapped(dict.fromkeys(gates.values, gate))})

    return table.mapped({"pairs": lambda pairs: pairs.mapped(dict.fromkeys(pairs.values, pair))})
