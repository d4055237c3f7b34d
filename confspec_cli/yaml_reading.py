"""YAML files as tables, with the line of every key; the only module that imports yaml.

Scalars mean what YAML 1.2 says they do: `on`, `no` and `1:30` are text. ruamel.yaml, which edits these files, could
read them too, but takes forty times as long as PyYAML over libyaml, and they are read at every start.
"""

from __future__ import annotations

import os
import re
import stat
from functools import cache
from pathlib import Path
from typing import Any

from confspec_cli.errors import ConfigError, UsageError
from confspec_cli.files import read_text
from confspec_cli.yaml_tables import YamlTable

_MAX_BYTES = 1 << 20
_MAX_VALUES = 100_000
"""Values in a file once its aliases are expanded: a few lines of aliases to aliases can stand for billions."""

_TAG = "tag:yaml.org,2002:"
_SCALARS = (  # kind, pattern, possible first characters
    ("bool", r"true|True|TRUE|false|False|FALSE", "tTfF"),
    ("int", r"[-+]?(0|[1-9][0-9]*)", "-+0123456789"),
    ("float", r"[-+]?((0|[1-9][0-9]*)?\.[0-9]+|(0|[1-9][0-9]*)(\.[0-9]*)?)([eE][-+]?[0-9]+)?", "-+.0123456789"),
    ("float", r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", "-+."),
    ("null", r"~|null|Null|NULL|", ("~", "n", "N", "")),
    ("merge", r"<<", "<"),
)


def text_of(file: Path) -> str | None:
    """The text of a file, None where there is none; raises ConfigError."""
    try:
        if not stat.S_ISREG(file.stat().st_mode):
            raise ConfigError(f"{file} is not a regular file.")
        return read_text(file, limit=_MAX_BYTES)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError(f"Cannot read {file}: {error.strerror}.") from error
    except UsageError as error:
        raise ConfigError(str(error), error.hint) from error


def parse(text: str, file: Path) -> Any:
    """What YAML says: tables, lists and scalars. Raises ConfigError, with the line."""
    import yaml  # noqa: PLC0415 - keeps it out of every start

    try:
        node = _loader()(text).get_single_node()
        return _Values(file).of(node) if node else YamlTable(str(file), {}, {})
    except yaml.MarkedYAMLError as error:
        last = max(len(text.splitlines()), 1)  # libyaml may mean the line after it
        line = f", line {min(error.problem_mark.line + 1, last)}" if error.problem_mark else ""
        raise ConfigError(f"{file}{line}: {error.problem or error.context}.") from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"{file} is not valid YAML: {' '.join(str(error).split())}.") from error
    except RecursionError:
        raise ConfigError(f"{file} is nested too deeply.") from None


def dump(values: dict[str, Any]) -> str:
    """Plain values as YAML, in their order, long text in blocks."""
    import yaml  # noqa: PLC0415

    class Dumper(yaml.SafeDumper):
        """Quotes text that reads as something else under either version of YAML."""

    for kind, pattern, first in _SCALARS:
        Dumper.add_implicit_resolver(_TAG + kind, re.compile(rf"^(?:{pattern})$"), list(first))
    return str(yaml.dump(values, Dumper=Dumper, sort_keys=False, allow_unicode=True, width=10_000))


@cache
def _loader() -> Any:
    """The fastest loader there is, with the scalars of YAML 1.2."""
    import yaml  # noqa: PLC0415

    base: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)

    class Loader(base):  # type: ignore[misc]  # whichever there is
        yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - add_implicit_resolver fills it

    for kind, pattern, first in _SCALARS:
        Loader.add_implicit_resolver(_TAG + kind, re.compile(rf"^(?:{pattern})$"), list(first))
    return Loader


class _Values:
    """What the nodes of one file stand for, as long as they are not too many."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._count = 0

    def of(self, node: Any) -> Any:
        self._count += 1
        if self._count > _MAX_VALUES:
            raise ConfigError(f"{self._file} holds more than {_MAX_VALUES} values, its aliases expanded.")
        if node.id == "sequence":
            return [self.of(item) for item in node.value]
        return self._table(node) if node.id == "mapping" else self._scalar(node)

    def _table(self, node: Any) -> YamlTable:
        """A mapping, whose keys are text, whatever they look like, and stand once."""
        values: dict[str, Any] = {}
        places: dict[str, str] = {}
        merged: list[Any] = []
        for key_node, value_node in node.value:
            place = self._place(key_node)
            if key_node.id != "scalar":
                raise ConfigError(f"{place}: a key must be text.")
            key, value = key_node.value, self.of(value_node)
            if key_node.tag == f"{_TAG}merge":
                merged += value if isinstance(value, list) else [value]
                continue
            if key in values:
                raise ConfigError(f'{place}: "{key}" appears twice in one table.')
            values[key], places[key] = value, place
        for table in merged:
            if not isinstance(table, YamlTable):
                raise ConfigError(f"{self._place(node)}: << takes tables.")
            values = {**table.values, **values}
            places = {**table.places, **places}
        for key in ("path", "ca_file", "tokenizer"):  # relative to the file that names them
            if isinstance(path := values.get(key), str) and path:
                values[key] = str(self._file.absolute().parent / os.path.expanduser(path))  # noqa: PTH111 - Path may raise
        return YamlTable(self._place(node), values, places)

    def _scalar(self, node: Any) -> Any:
        match node.tag.removeprefix(_TAG):
            case "str" | "merge":
                return node.value
            case "int":
                return int(node.value)
            case "float":
                return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))
            case "bool":
                return node.value.lower() == "true"
            case "null":
                return None
        raise ConfigError(f"{self._place(node)}: the tag {node.tag} is not supported.")

    def _place(self, node: Any) -> str:
        return f"{self._file}, line {node.start_mark.line + 1}"
