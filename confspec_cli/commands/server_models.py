"""Models on servers, for `confspec models add`, `show` and `verify`."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer

from confspec_cli.core.engine import Power
from confspec_cli.core.price import Price
from confspec_cli.engines.remote import ServerReport, probe
from confspec_cli.errors import UsageError
from confspec_cli.models.remote_models import RemoteModel, ServerKind, at_address
from confspec_cli.runtime.remote import spec_of

_ABLE = {
    Power.LOGPROBS: "say how likely its tokens are",
    Power.LABELS: "give verdicts",
    Power.SCORE: "score a given step",
    Power.CACHED_SCORE: "score it without reading the prompt again",
    Power.GRAMMAR: "keep to a grammar",
}


@dataclass(frozen=True, slots=True)
class ServerFlags:
    """What there is to say of a model on a server besides its URL."""

    model: Annotated[str, typer.Option("--model", help="Its name on the server. [default: the one it serves]")] = ""
    server: Annotated[ServerKind, typer.Option("--server", help="Kind of server; auto asks it.")] = ServerKind.AUTO
    api_key_env: Annotated[
        str, typer.Option("--api-key-env", help="Environment variable that holds the key.", metavar="VARIABLE")
    ] = ""
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            help="Certificates to trust instead of the system's.",
            metavar="FILE",
            exists=True,
            dir_okay=False,
        ),
    ] = None
    tokenizer: Annotated[
        Path | None,
        typer.Option(
            "--tokenizer", help="GGUF file with the model's vocabulary.", metavar="FILE", exists=True, dir_okay=False
        ),
    ] = None

    def entry(self, address: str) -> dict[str, Any]:
        """The model at an address as it stands in models.yaml. Raises UsageError for what cannot be one."""
        there = at_address(address)
        if self.model and there.model:
            raise UsageError("The model is named twice, by --model and after the #.", "leave out --model")
        return {
            "url": there.url,
            "model": self.model or there.model,
            "server": "" if self.server is ServerKind.AUTO else self.server.value,
            "api_key_env": self.api_key_env,
            "ca_file": str(self.ca_file.absolute()) if self.ca_file else "",
            "tokenizer": str(self.tokenizer.absolute()) if self.tokenizer else "",
        }

    def check_unused(self) -> None:
        """Raises UsageError for an option that was given although the model is a file."""
        for field in fields(self):
            if getattr(self, field.name) != field.default:
                option = f"--{field.name.replace('_', '-')}"
                raise UsageError(f"{option} is for a model on a server, not for a file.", f"leave out {option}")


def server_report(model: RemoteModel) -> ServerReport:
    """What the server of a model is and can do, tried out. Raises ServerError where it cannot be reached."""
    return probe(spec_of(model), os.environ)


def reached(model: RemoteModel) -> str:
    """That a server answers, in a line. Raises ServerError where it does not."""
    report = server_report(model)
    return f"{model.name}: reachable, {report.kind} serves {report.model} ({_milliseconds(report)})"


def server_document(model: RemoteModel, report: ServerReport) -> dict[str, Any]:
    """What a model on a server is and can do, JSON-ready; times in seconds."""
    return {
        "name": model.name,
        "licence": model.licence,
        "url": report.url,
        "server": report.kind,
        "model": report.model,
        "context": report.context,
        "identity": report.identity,
        "powers": sorted(power.value for power in report.powers),
        "missing": list(report.missing),
        "price": asdict(model.price) if model.price else None,
        "round_trip_seconds": report.round_trip_seconds,
        "sent": "transcript",
    }


def server_as_text(model: RemoteModel, report: ServerReport) -> str:
    """The same for people."""
    rows = [
        ("model", model.name),
        ("server", f"{report.kind} at {report.url}, answers within {_milliseconds(report)}"),
        ("serves", report.model),
        ("context", f"{report.context} tokens"),
        ("can", ", ".join(_ABLE[power] for power in Power if power in report.powers) or "only continue a reply"),
        *(("lacks", sentence) for sentence in report.missing),
        *(("price", _price(price)) for price in [model.price] if price),
        ("sent there", f"the whole conversation: {model.host} reads the system prompt, all questions and replies"),
    ]
    return "\n".join(f"{label:<12} {text}" for label, text in rows)


def _price(price: Price) -> str:
    cached = "" if price.cached is None else f" ({price.cached:g} cached)"
    return f"{price.input:g} in{cached} and {price.output:g} out, {price.currency} a million tokens"


def _milliseconds(report: ServerReport) -> str:
    return f"{1000 * report.round_trip_seconds:.0f} ms"
