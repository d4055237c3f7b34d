"""Which model behind which server, and what a look at it has shown: plain values, without any connection."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from urllib.parse import urlsplit

from confspec_cli.core.engine import Power
from confspec_cli.errors import ConfigError

KINDS = ("auto", "llama-server", "vllm", "sglang", "openai")


@dataclass(frozen=True)
class RemoteSpec:
    """A model behind a server. The URL may end in /v1 or not, and may name the model after a `#`.

    `api_key_env` names the environment variable that holds the key, `ca_file` the certificates to trust instead of the
    system's, and `tokenizer` a GGUF file with the model's vocabulary.
    """

    url: str
    model: str = ""
    server: str = "auto"
    api_key_env: str = ""
    ca_file: str = ""
    tokenizer: str = ""

    @cached_property
    def base(self) -> str:
        """The URL of the server, without user, password, model and /v1: what is called, shown and recorded."""
        try:
            parts = urlsplit(self.url.strip())
            host, port = parts.hostname, parts.port
        except ValueError:
            host, port = None, None
        if not host or parts.scheme not in ("http", "https"):
            raise ConfigError("The URL of a model server must look like http://HOST:PORT.", "--target http://HOST:8000")
        if parts.username or parts.password:
            raise ConfigError(
                f"The URL of {host} has a password in it, which would end up in files.",
                "put the key into an environment variable and name it with api_key_env",
            )
        place = f"[{host}]" if ":" in host else host
        path = parts.path.rstrip("/")
        return f"{parts.scheme}://{place}{f':{port}' if port else ''}{path.removesuffix('/v1')}"

    @property
    def wanted_model(self) -> str:
        """The model's name on the server; empty for the one it serves."""
        return self.model or urlsplit(self.url).fragment

    @property
    def is_loopback(self) -> bool:
        """Whether the server is on this machine."""
        host = urlsplit(self.base).hostname or ""
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return host == "localhost"

    def key(self, environ: Mapping[str, str]) -> str:
        """The key to send, empty where none is named. Raises ConfigError where it is not set or would be overheard."""
        if not self.api_key_env:
            return ""
        key = environ.get(self.api_key_env, "").strip()
        if not key or not key.isascii() or not key.isprintable():
            fault = "is not usable as a key" if key else "is not set"
            raise ConfigError(
                f"{self.api_key_env} {fault}; it is to hold the key of {self.base}.",
                f"export {self.api_key_env}=...",
            )
        if self.base.startswith("http://") and not self.is_loopback:
            raise ConfigError(
                f"The key in {self.api_key_env} would cross the network unencrypted to {self.base}.",
                "use an https:// URL, or a tunnel: ssh -L 8000:localhost:8000 HOST",
            )
        return key


def short(model: str) -> str:
    """A model's name on its server, without the folder of a file."""
    return model.rsplit("/", 1)[-1] if model.endswith(".gguf") else model


@dataclass(frozen=True, slots=True)
class Served:
    """What a server says of the model it serves: `identity` tells it from another one behind the same URL."""

    kind: str
    model: str
    context: int
    identity: str
    bytes: int = 0
    quant: str = ""
    template: str = ""
    bos: str = ""
    eos: str = ""


@dataclass(frozen=True, slots=True)
class ServerReport:
    """What was found out about a server: `missing` has one sentence for each power it lacks."""

    kind: str
    url: str
    model: str
    context: int
    identity: str
    powers: frozenset[Power]
    missing: tuple[str, ...]
    round_trip_seconds: float
