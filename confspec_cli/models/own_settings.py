"""What the user's models.yaml itself says of a pair, apart from the one that ships under it."""

from __future__ import annotations

from pathlib import Path

from confspec_cli.errors import ConfigError
from confspec_cli.yaml_reading import parse, text_of
from confspec_cli.yaml_tables import YamlTable


def own_settings(file: Path, pair: str, gate: str) -> set[str]:
    """The keys that stand there: `default_pair` and the settings, those of the pair, and those of its gate.

    `gate` is the one that counts: "gate", or the kind of work whose gate was measured.
    """
    table = parse(text_of(file) or "", file)
    if not isinstance(table, YamlTable):
        raise ConfigError(f"{file} must be a table of the keys schema, default_pair, settings, models and pairs.")
    of_pair = table.table("pairs").table(pair)
    of_gate = of_pair.table("gate") if gate == "gate" else of_pair.table("gates").table(gate)
    return {*table.values, *table.table("settings").values, *of_pair.values, *of_gate.values}
