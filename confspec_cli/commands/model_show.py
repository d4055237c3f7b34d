"""`confspec models show`: what a model file contains, what a pair is made of, what a server can do."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.commands._completion import pairs_and_models
from confspec_cli.commands._output import JsonFlag, put_json
from confspec_cli.commands.server_models import server_as_text, server_document, server_report
from confspec_cli.core.thinking_styles import UNKNOWN, name_of_style, style_of
from confspec_cli.core.units import size
from confspec_cli.errors import ModelMissing
from confspec_cli.models import gguf
from confspec_cli.models.quants import BLOCKS
from confspec_cli.models.references import is_reference, resolve
from confspec_cli.models.registry import Model, load
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.models.sources import QuantizedSource
from confspec_cli.models.store import Store
from confspec_cli.render.console import echo, width_of
from confspec_cli.render.wording import counted, labelled
from confspec_cli.runtime.folders import models_folder, own_file
from confspec_cli.runtime.memory_estimate import WEIGHTS, estimate_memory, kv_bytes
from confspec_cli.runtime.offload import machine
from confspec_cli.runtime.resolve import role_of


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="MODEL|PAIR",
            help="A name, a GGUF file, or a server's URL.",
            autocompletion=pairs_and_models,
            show_default=False,
        ),
    ],
    context: Annotated[
        int, typer.Option("--context", help="Context size to estimate memory for, in tokens.", min=1)
    ] = 8192,
    template: Annotated[bool, typer.Option("--template", help="Print only the chat template.")] = False,
    as_json: JsonFlag = False,
) -> None:
    """Show what a model file contains (architecture, size, context, chat template, memory needed), or what a pair is.

    Of a model on a server (a name, or its URL): what the server is, what it can do, and what is sent to it.

    A pair's cost ratio is how many times larger the target's weights are: below 3, drafting seldom saves time. Its
    measured gates are listed with what each loses and takes, and how fast it is expected to be here.
    """
    registry = load(own_file())
    if name in registry.pairs:
        from confspec_cli.commands.pair_show import gates_as_text, known_of_pair, pair_as_text  # noqa: PLC0415 - slow to import
        from confspec_cli.runtime.prediction import predict  # noqa: PLC0415

        prediction = predict(registry, registry.pairs[name])
        pair = known_of_pair(registry, registry.pairs[name], prediction)
        text = f"{pair_as_text(pair)}\n{gates_as_text(prediction)}".rstrip()
        put_json({"schema_version": 1, **pair}) if as_json else echo(text)
        return
    if not (name in registry.models or name in registry.remotes or is_reference(name)):
        registry.models_of(name)  # raises ModelMissing, and knows the pairs too
    model = role_of(registry, name)
    if isinstance(model, RemoteModel):
        report = server_report(model)
        document = {"schema_version": 1, **server_document(model, report)}
        put_json(document) if as_json else echo(server_as_text(model, report))
        return
    if isinstance(model, Path):
        model = resolve(name)
    paths = Store(models_folder(os.environ)).find(model)
    if not paths:
        raise ModelMissing(f"{name} is not downloaded.", f"confspec pull {name}")
    header = gguf.read(paths[0])
    gguf.check(header)
    known = {**_known(header, min(context, header.number("context_length"))), "quantized_from": _provenance(model)}
    if template:
        echo(known["chat_template"])
    elif as_json:
        put_json({"schema_version": 1, "name": model.name, "licence": model.licence, **known})
    else:
        echo(_told(model.name, known))


def _known(header: gguf.Header, context: int) -> dict[str, Any]:
    template = str(header.values.get("tokenizer.chat_template", ""))
    memory = estimate_memory(header, context, repacking=machine().repacking)
    return {
        "path": str(header.path),
        "bytes": header.size,
        "architecture": header.architecture,
        "title": str(header.values.get("general.name", "")),
        "parameters": sum(tensor.elements for tensor in header.tensors),
        "layers": header.number("block_count"),
        "width": header.number("embedding_length"),
        "vocabulary": header.lengths.get("tokenizer.ggml.tokens", 0),
        "trained_context": header.number("context_length"),
        "types": _types(header),
        "thinks": style_of(template) is not None,
        "thinking": _thinking(template),
        "chat_template": template,
        "kv_cache": {kind: kv_bytes(header, context, weight) for kind, weight in WEIGHTS.items()},
        "memory": {**asdict(memory), "total": memory.total},
        "context": context,
    }


def _provenance(model: Model) -> dict[str, str] | None:
    """What a model that was quantized here was made from, and with what."""
    source = model.files[0].sources[0]
    if not isinstance(source, QuantizedSource):
        return None
    made = asdict(source)
    return {"model": made.pop("quantized"), **made}


def _thinking(template: str) -> str:
    """Whether and how a model thinks by its chat template, in words."""
    style = style_of(template)
    if style is None:
        known = name_of_style(template) != UNKNOWN
        return "not a reasoning model" if known else "it may think, in a style confspec does not know"
    if "enable_thinking" in template:
        return f"thinks in a {style.opens} block, unless told not to"
    last = template.rpartition("add_generation_prompt")
    always = last[0] and style.opens in last[2]
    return f"always begins in a {style.opens} block" if always else f"thinks in a {style.opens} block"


def _types(header: gguf.Header) -> dict[str, int]:
    """Bytes of the weights by type, largest first."""
    found: dict[str, int] = {}
    for tensor in header.tensors:
        kind = BLOCKS[tensor.kind][0]
        found[kind] = found.get(kind, 0) + tensor.bytes
    return dict(sorted(found.items(), key=lambda item: -item[1]))


def _told(name: str, known: dict[str, Any]) -> str:
    types = ", ".join(f"{kind} {size(count)}" for kind, count in known["types"].items())
    caches = ", ".join(f"{kind} {size(round(count))}" for kind, count in known["kv_cache"].items())
    rows = [
        ("model", f"{name} ({known['title']})" if known["title"] else name),
        ("file", f"{known['path']}, {size(known['bytes'])}"),
        ("architecture", f"{known['architecture']}, {known['layers']} layers, width {known['width']}"),
        ("parameters", f"{counted(known['parameters'])}: {types}"),
        ("vocabulary", f"{known['vocabulary']} tokens"),
        ("context", f"trained for {known['trained_context']} tokens"),
        ("template", _template(known)),
        ("KV cache", f"{caches}, for {known['context']} tokens"),
        ("memory", _memory(known)),
    ]
    if made := known["quantized_from"]:
        source = f"{made['model']} (sha256 {made['parent_sha256']})"
        with_what = f"the llama.cpp of llama-cpp-python {made['llama_cpp_python']}"
        rows.insert(2, ("made from", f"{source}, quantized to {made['type']} by {with_what}"))
    return labelled(rows, width_of(sys.stdout))


def _template(known: dict[str, Any]) -> str:
    if not known["chat_template"]:
        return "none in the file"
    return f"{len(known['chat_template'])} characters, {known['thinking']} (print it with --template)"


def _memory(known: dict[str, Any]) -> str:
    names = {"weights": "weights", "repacked": "repacked", "kv": "f16 cache", "compute": "compute"}
    parts = ", ".join(f"{word} {size(known['memory'][key])}" for key, word in names.items() if known["memory"][key])
    return f"{size(known['memory']['total'])} on the CPU: {parts}"
