"""A proxy of our own before a real model server: it passes everything on, later or broken as it is told."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from support.scripted_server import Fault, ScriptedServer


@dataclass
class FaultyProxy(ScriptedServer):
    """Before the server at `upstream`; faults and `latency` are those of the scripted server.

    `answers` replaces what the server says at a path.
    """

    upstream: str = ""
    answers: dict = field(default_factory=dict)

    def __post_init__(self):
        self.first, self.listens = self.upstream, True

    def __enter__(self, port=0):
        self.listens = True
        return super().__enter__(port)

    def stop(self):
        """Listen no more, until it is entered again."""
        self.listens = False
        self.__exit__()

    def found(self, path, body):
        place = urlsplit(self.upstream)
        server = http.client.HTTPConnection(place.hostname or "", place.port)
        content = None if body is None else json.dumps(body)
        server.request("GET" if body is None else "POST", path, content, {"Content-Type": "application/json"})
        answer = server.getresponse()
        if "event-stream" in answer.headers.get("Content-Type", ""):
            return self._streamed(server, answer)
        with closing(server):
            said = answer.read()
        if answer.status != 200:
            return Refusal(answer.status, said)
        if path in self.answers:
            said = json.dumps({**json.loads(said), **self.answers[path]}).encode()
        return [said]

    def _streamed(self, server, answer):
        with closing(server):
            while line := answer.readline():
                self.written += line.startswith(b"data:")
                yield line

    def _send(self, handler, fault, chunks):
        if isinstance(chunks, Refusal):
            fault, chunks = Fault(chunks.status), [chunks.said]
        super()._send(handler, fault, chunks)


@dataclass
class Refusal:
    """What the server said where it did not answer."""

    status: int
    said: bytes
