"""What went wrong between us and a server, as a sentence and the next thing to try."""

from __future__ import annotations

import json
import socket
import ssl

import httpx2

from confspec_cli.errors import ServerError, UsageError

_AWAY = (401, 403, 429, 502, 503, 504)  # whatever was asked
_LONGEST = 200  # characters of a server's own words that are shown


_LOOK = "look at the server's log, then run it again"
_UNREACHED: tuple[tuple[type[BaseException], str, str], ...] = (
    (
        ssl.SSLCertVerificationError,
        "The certificate of {base} cannot be verified: {cause}.",
        "name the certificates to trust with ca_file in models.yaml",
    ),
    (ssl.SSLError, "{base} does not speak TLS as expected: {cause}.", "try http:// instead of https://"),
    (socket.gaierror, "The host of {base} is not known.", "check the URL"),
    (httpx2.ProxyError, "The proxy on the way to {base} refuses: {cause}.", "check HTTPS_PROXY"),
    (httpx2.ConnectTimeout, "{base} does not answer{by}.", "curl {base}/v1/models   # is it up?"),
    (httpx2.ConnectError, "Nothing answers at {base}{by}: {cause}.", "curl {base}/v1/models   # is it up?"),
    (httpx2.TimeoutException, "{base} has said nothing for {seconds:.0f} seconds.", _LOOK),
)
"""By what went wrong, the most particular first: what is said, and the hint."""


def of_transport(problem: httpx2.TransportError, base: str, read_seconds: float, proxy: str) -> ServerError:
    """A request that got no answer, by way of a `proxy` where there is one."""
    causes = _causes(problem)
    for kind, sentence, hint in _UNREACHED:
        if any(isinstance(cause, kind) for cause in causes):
            cause = getattr(causes[-1], "strerror", None) or str(causes[-1])
            told = {
                "base": base,
                "by": f" by the proxy {proxy}" if proxy else "",
                "cause": _words(cause).rstrip("."),
                "seconds": read_seconds,
            }
            return ServerError(sentence.format(**told), hint.format(**told), is_away=True)
    return cut(base)


def cut(base: str) -> ServerError:
    """An answer that ended too early."""
    return ServerError(f"{base} broke off in the middle of its answer.", _LOOK, is_away=True)


def nonsense(base: str, what: str) -> ServerError:
    """An answer that is not what its kind of server gives."""
    return ServerError(f"{base} answers with {what}.", "check the URL, and `server` in models.yaml")


_REFUSED = {
    401: (
        "{base} refuses {whose} (401){because}.",
        "name the key's variable with api_key_env in models.yaml",
    ),
    403: (
        "{base} refuses {whose} (403){because}.",
        "name the key's variable with api_key_env in models.yaml",
    ),
    404: ("{base} does not know {path}{because}.", "curl {base}/v1/models   # what it serves"),
    413: ("{base} finds the request too large (413){because}.", "raise the limit of the proxy before the server"),
    429: ("{base} is busy (429){because}, {until}.", "try again later"),
    503: ("{base} is busy (503){because}, {until}.", "try again later"),
}


def of_status(status: int, headers: httpx2.Headers, body: bytes, base: str, path: str, key_name: str) -> ServerError:
    """An answer with a status that is no success."""
    said = said_in(body)
    if 300 <= status < 400:
        sentence, hint = "{base} redirects to {place}, which is not followed.", "give that URL, if you trust it"
    elif status >= 500:
        sentence, hint = _REFUSED.get(status, ("{base} failed ({status}){because}.", _LOOK))
    else:
        unknown = "{base} refuses the request ({status}){because}.", "check the server's version, and --server"
        sentence, hint = _REFUSED.get(status, unknown)
    told = {
        "base": base,
        "path": path,
        "status": status,
        "place": _words(headers.get("location", "nowhere")),
        "whose": f"the key in {key_name}" if key_name else "a request without a key",
        "because": f": {said}" if said else "",
        "until": f"and wants {pause} seconds of rest" if (pause := seconds_of_rest(headers)) else "also after waiting",
    }
    return ServerError(sentence.format(**told), hint.format(**told), is_away=status in _AWAY)


def seconds_of_rest(headers: httpx2.Headers) -> int:
    """How long a server wants not to be asked, in seconds; 0 where it does not say."""
    asked = headers.get("Retry-After", "")
    return int(asked) if asked.isascii() and asked.isdigit() else 0


def said_in(body: bytes) -> str:
    """The server's own words in the body of an error, short and without a full stop; empty where there are none."""
    try:
        found = json.loads(body)
    except ValueError:
        return ""
    for key in ("error", "message", "detail"):
        if isinstance(found, dict):
            found = found.get(key, found)
    return _words(found).rstrip(".") if isinstance(found, str) else ""


def unreadable_ca(path: str, problem: OSError | ssl.SSLError) -> UsageError:
    """A file of certificates that cannot be used."""
    return UsageError(f"The certificates in {path} cannot be read: {_words(str(problem))}.", "check ca-file")


def _words(text: str) -> str:
    """Text of a stranger, as part of a sentence."""
    shown = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(shown.split())[:_LONGEST]


def _causes(problem: BaseException) -> list[BaseException]:
    """The error, and what led to it."""
    found: list[BaseException] = []
    here: BaseException | None = problem
    while here is not None and here not in found:
        found.append(here)
        here = here.__cause__ or here.__context__
    return found
