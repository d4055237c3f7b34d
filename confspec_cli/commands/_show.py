"""`confspec models show`: what a model's file says of itself."""

from __future__ import annotations

import json
import os
from typing import Annotated, Any

import typer

from confspec_cli import gguf
from confspec_cli.commands._completion import models as model_names
from confspec_cli.commands._keeping import own_file
from confspec_cli.errors import ModelMissing
from confspec_cli.folders import models_folder
from confspec_cli.memory import kv_bytes
from confspec_cli.models.references import is_reference, resolve
from confspec_cli.models.registry import load
from confspec_cli.models.store import Store
from confspec_cli.render.progress import size

_KV = {"f16": 2.0, "q8_0": 34 / 32, "q4_0": 18 / 32}


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="REF", help="A model by name, or a file.", autocompletion=model_names, show_default=False
        ),
    ],
    context: Annotated[int, typer.Option("--context", help="Tokens of context to say the memory for.", min=1)] = 8192,
    template: Annotated[bool, typer.Option("--template", help="The chat template, and nothing else.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON document.")] = False,
) -> None:
    """Say what a model's file holds: kind, size, context, chat template, whether it thinks, memory at a context."""
    registry = load(own_file())
    model = registry.model(name) if name in registry.models or not is_reference(name) else resolve(name)
    paths = Store(models_folder(os.environ)).find(model)
    if not paths:
        raise ModelMissing(f"{name} is not here.", f"confspec pull {name}")
    header = gguf.read(paths[0])
    gguf.check(header)
    known = _known(header, context, sum(path.stat().st_size for path in paths))
    if template:
        typer.echo(known["chat_template"])
    elif as_json:
        typer.echo(json.dumps({"schema_version": 1, "name": model.name, "licence": model.licence, **known}, indent=2))
    else:
        typer.echo(_told(model.name, known))


def _known(header: gguf.Header, context: int, size_in_bytes: int) -> dict[str, Any]:
    template = str(header.values.get("tokenizer.chat_template", ""))
    return {
        "path": str(header.path),
        "bytes": size_in_bytes,
        "architecture": header.architecture,
        "title": str(header.values.get("general.name", "")),
        "parameters": sum(tensor.elements for tensor in header.tensors),
        "layers": header.number("block_count"),
        "width": header.number("embedding_length"),
        "vocabulary": header.lengths.get("tokenizer.ggml.tokens", 0),
        "trained_context": header.number("context_length"),
        "types": _types(header),
        "thinks": "<think>" in template or "enable_thinking" in template,
        "chat_template": template,
        "kv_cache": {kind: kv_bytes(header, context, weight) for kind, weight in _KV.items()},
        "context": context,
    }


def _types(header: gguf.Header) -> dict[str, int]:
    """Bytes of the weights by type, the most first."""
    found: dict[str, int] = {}
    for tensor in header.tensors:
        kind = gguf.BLOCKS[tensor.kind][0]
        found[kind] = found.get(kind, 0) + tensor.bytes
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _told(name: str, known: dict[str, Any]) -> str:
    types = ", ".join(f"{kind} {size(count)}" for kind, count in known["types"].items())
    caches = ", ".join(f"{kind} {size(round(count))}" for kind, count in known["kv_cache"].items())
    rows = [
        ("model", f"{name} ({known['title']})" if known["title"] else name),
        ("file", f"{known['path']}, {size(known['bytes'])}"),
        ("kind", f"{known['architecture']}, {known['layers']} layers of {known['width']}"),
        ("parameters", f"{known['parameters'] / 1e6:.0f} million: {types}"),
        ("vocabulary", f"{known['vocabulary']} tokens"),
        ("context", f"trained for {known['trained_context']} tokens"),
        ("template", _template(known)),
        ("KV cache", f"{caches}, for {known['context']} tokens"),
    ]
    return "\n".join(f"{label:<11} {text}" for label, text in rows)


def _template(known: dict[str, Any]) -> str:
    if not known["chat_template"]:
        return "none in the file"
    style = "thinks in a <think> block" if known["thinks"] else "knows no thinking"
    return f"{len(known['chat_template'])} characters, {style} (--template prints it)"
