"""The form an answer is wanted in, and whether the one that came has it."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from confspec_cli.core.events import RunFinished
from confspec_cli.core.prompts import AS_JSON, in_form
from confspec_cli.core.run_config import Form
from confspec_cli.core.trace import FinishReason
from confspec_cli.errors import NoAnswer, SchemaMismatch, UsageError
from confspec_cli.files import read_text
from confspec_cli.runtime.json_schema import LONGEST, load, schema_error, validation_error

_ANY_OBJECT = {"type": "object"}
_MOST_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Wanted:
    """What the reply must hold: a JSON value that fits `schema`, or something to extract, or neither."""

    extract: bool
    form: Form | None = None
    schema: Any = None

    def check(self, finished: RunFinished, max_tokens: int) -> None:
        """Raises SchemaMismatch or NoAnswer for a complete run whose reply does not hold it."""
        if (
            self.form
            and finished.reason in (FinishReason.STOP, FinishReason.LENGTH)
            and (fault := validation_error(finished.reply, self.schema))
        ):
            if finished.reason is FinishReason.LENGTH:
                raise SchemaMismatch(
                    f"The answer does not match the schema: it was cut off at {max_tokens} tokens.",
                    f"--max-tokens {2 * max_tokens}",
                )
            raise SchemaMismatch(f"The answer {fault}.", "--temperature 0.7   # or loosen the schema")
        if self.extract and finished.reason is FinishReason.STOP and finished.extract is None:
            raise NoAnswer(
                "Nothing to extract: no code block and no final answer in the reply.",
                "leave out --extract",
            )


def wanted(extract: bool, schema_file: Path | None, is_json: bool) -> Wanted:
    """What the reply must hold. Raises UsageError for a schema that cannot be read, or cannot be held to."""
    if schema_file and is_json:
        raise UsageError("--schema already asks for JSON.", "leave out --format-answer")
    if schema_file:
        return replace(wanted_json(_read(schema_file), schema_file.name), extract=extract)
    return replace(wanted_json(), extract=extract) if is_json else Wanted(extract)


def wanted_json(schema: Any = None, name: str = "json") -> Wanted:
    """An answer that fits the schema; without one, a JSON object. Raises UsageError for what cannot be held to."""
    from confspec_cli.engines.llamacpp.grammar import gbnf  # noqa: PLC0415 - keeps llama_cpp out of --help

    request = in_form(json.dumps(schema)) if schema is not None else AS_JSON
    schema = _ANY_OBJECT if schema is None else schema
    if not isinstance(schema, dict):
        raise UsageError(f"{name} is not a JSON schema: it must be an object.", """e.g. {"type": "object"}""")
    if fault := schema_error(schema):
        raise UsageError(f"{name} {fault}.", "fix that part of the schema")
    return Wanted(extract=False, form=Form(name, gbnf(schema), request), schema=schema)


def _read(file: Path) -> Any:
    text = read_text(file, limit=_MOST_BYTES)
    if len(text) > LONGEST:
        raise UsageError(f"The schema {file} has more than {LONGEST:,} characters.", "shorten the schema")
    try:
        return load(text)
    except ValueError as problem:
        raise UsageError(f"{file} is not JSON: {problem}.", f"python -m json.tool {shlex.quote(str(file))}") from None
