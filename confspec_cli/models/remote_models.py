"""Models that run on a server: how they are named, and what may stand in an address.

Knows addresses; refuses to know the environment, and what a server answers.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from urllib.parse import SplitResult, urlsplit

from confspec_cli.core.price import Price
from confspec_cli.errors import UsageError

_EXAMPLE = "--target http://HOST:8000/v1#MODEL"


class ServerKind(str, Enum):
    """Which server answers, where it is not to be found out by asking it."""

    AUTO = "auto"
    VLLM = "vllm"
    SGLANG = "sglang"
    LLAMA_SERVER = "llama-server"
    OPENAI = "openai"  # any other with an OpenAI-compatible interface


@dataclass(frozen=True, slots=True)
class RemoteModel:
    """A model on a server at `url`, with or without `/v1`, called `model` there; without one, the only one it serves.

    `api_key_env` is the variable that holds the key, `ca_file` a certificate to trust, `tokenizer` the file to
    tokenize with, where the server leaves that to its callers, and `price` what it charges.
    """

    name: str
    url: str
    model: str = ""
    server: ServerKind = ServerKind.AUTO
    api_key_env: str = ""
    ca_file: str = ""
    tokenizer: str = ""
    licence: str = ""
    parameters: str = ""
    price: Price | None = None

    def __post_init__(self) -> None:
        _checked(self.url)
        if self.api_key_env and not re.fullmatch(r"[A-Za-z_]\w*", self.api_key_env, re.ASCII):
            raise ValueError("api_key_env must be the name of a variable, not the key itself")
        if not self.model.isprintable():
            raise ValueError(f"model: {self.model!a} cannot be the name of a model")

    @property
    def address(self) -> str:
        """Server and model, the same however the URL was written: what records and calibrations know it by."""
        return f"{_base(self.url)}#{self.model}" if self.model else _base(self.url)

    @property
    def host(self) -> str:
        """The server's host, with its port where one is named."""
        return urlsplit(self.url).netloc


def is_address(text: str) -> bool:
    """Whether a text is the address of a server."""
    return text.lower().startswith(("http://", "https://"))


def at_address(text: str) -> RemoteModel:
    """The model at an address, `http://host:8000/v1#model`. Raises UsageError for what is none."""
    url, _, model = text.partition("#")
    try:
        named = RemoteModel(text, url, model)
    except ValueError as error:
        raise UsageError(f"This address cannot be used: {error}.", _EXAMPLE) from None
    return RemoteModel(named.address, url.rstrip("/"), model)


def _checked(url: str) -> SplitResult:
    """The parts of a URL; raises ValueError, which never repeats a password, for one that is not a server's."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        raise ValueError("the URL has no valid host and port") from None
    if "@" in parts.netloc:
        raise ValueError("the URL must not hold a user name or password; api_key_env names a variable for a key")
    if not is_address(url) or not parts.hostname or port == 0 or not re.fullmatch(r"[!-~]+", url):
        raise ValueError("the URL must be like http://HOST:8000/v1")
    if parts.query or parts.fragment or "?" in url:
        raise ValueError("the URL must end before any ? or #")
    return parts


def _base(url: str) -> str:
    """A URL as it is whichever way it was written: with or without `/v1`, a slash at the end, capitals in the host."""
    parts = urlsplit(url)
    path = parts.path.rstrip("/").removesuffix("/v1")
    return f"{parts.scheme}://{parts.netloc.lower()}{path}"
