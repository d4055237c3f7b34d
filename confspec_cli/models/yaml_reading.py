"""YAML files as tables, with the line of every key; the only module that imports yaml."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from confspec_cli.errors import ConfigError
from confspec_cli.models.yaml_tables import YamlTable

if TYPE_CHECKING:
    import yaml


def text_of(file: Path) -> str | None:
    """The text of a file, None where there is none; raises ConfigError."""
    try:
        return file.read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise ConfigError(f"{file} is not UTF-8 text.") from None
    except OSError as error:
        raise ConfigError(f"{file} cannot be read: {error.strerror}.") from error


def parse(text: str, file: Path) -> Any:
    """What YAML says: tables, lists and scalars. Raises ConfigError, with the line."""
    import yaml  # noqa: PLC0415 - keeps it out of every start

    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        return _plain(node, loader, file) if node else YamlTable(str(file), {}, {})
    except yaml.MarkedYAMLError as error:
        line = f", line {error.problem_mark.line + 1}" if error.problem_mark else ""
        raise ConfigError(f"{file}{line}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ConfigError(f"{file} is not YAML that can be read: {error}.") from error


def dump(values: dict[str, Any]) -> str:
    """Plain values as YAML, in their order, long text in blocks."""
    import yaml  # noqa: PLC0415

    return str(yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=10_000))


def _plain(node: Any, loader: yaml.SafeLoader, file: Path) -> Any:
    """The value of a `yaml.Node`: a mapping becomes a table whose keys are text and stand once."""
    if node.id == "sequence":
        return [_plain(item, loader, file) for item in node.value]
    if node.id != "mapping":
        return loader.construct_object(node)
    loader.flatten_mapping(node)
    values: dict[str, Any] = {}
    places: dict[str, str] = {}
    for key_node, value_node in node.value:
        key, place = _plain(key_node, loader, file), f"{file}, line {key_node.start_mark.line + 1}"
        if not isinstance(key, str):
            raise ConfigError(f"{place}: {key_node.value} must be text, in quotes.")
        if key in values:
            raise ConfigError(f'{place}: "{key}" stands in one table twice.')
        values[key], places[key] = _plain(value_node, loader, file), place
    if isinstance(path := values.get("path"), str):  # it is meant from where the file is
        values["path"] = str(file.absolute().parent / os.path.expanduser(path))  # noqa: PTH111 - Path may raise
    return YamlTable(f"{file}, line {node.start_mark.line + 1}", values, places)
