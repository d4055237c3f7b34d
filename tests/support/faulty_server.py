"""A hub and a package index on this machine that fail on demand, and count the bytes they send."""

from __future__ import annotations

import json
import re
import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from support.model_sources import REVISION, sha256


@dataclass
class Fault:
    """What goes wrong with one answer: another `status`, or the connection is cut `after` so many bytes."""

    status: int = 0
    headers: dict = field(default_factory=dict)
    after: int | None = None


@dataclass
class Server:
    """Answers GET and HEAD; `faults` are used up by GETs of file content, one each. `pace` is bytes a second, 0 all."""

    faults: list = field(default_factory=list)
    ranges: bool = True
    pace: int = 0
    sent: int = 0
    requests: list = field(default_factory=list)

    def answer(self, request):
        """Say something to a request."""
        raise NotImplementedError

    def __enter__(self):
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self):
                seen = (self.headers.get("Range"), self.headers.get("Authorization"))
                outer.requests.append((self.command, unquote(self.path), *seen))
                outer.answer(self)

            do_HEAD = do_GET  # noqa: N815

            def log_message(self, *args):
                pass

        class Threads(ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, client_address):
                pass  # the other side was killed

        self.server = Threads(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def say(self, handler, status, headers=None, body=b""):
        handler.send_response(status)
        for key, value in {"Content-Length": len(body), **(headers or {})}.items():
            handler.send_header(key, str(value))
        handler.end_headers()
        if handler.command != "HEAD":
            handler.wfile.write(body)

    def content(self, handler, body, headers=None):
        """A file, or the range of it that was asked for; the next fault comes first."""
        fault = self.faults.pop(0) if self.faults and handler.command == "GET" else Fault()
        if fault.status:
            return self.say(handler, fault.status, fault.headers)
        asked = re.fullmatch(r"bytes=(\d+)-", handler.headers.get("Range") or "")
        start = int(asked[1]) if asked and self.ranges else 0
        told = {**(headers or {}), "Content-Length": len(body) - start}
        if start:
            told["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
        handler.send_response(206 if start else 200)
        for key, value in told.items():
            handler.send_header(key, str(value))
        handler.end_headers()
        if handler.command == "HEAD":
            return None
        stop = len(body) if fault.after is None else min(len(body), start + fault.after)
        for at in range(start, stop, 1 << 16):
            block = body[at : min(at + (1 << 16), stop)]
            handler.wfile.write(block)
            self.sent += len(block)
            if self.pace:
                time.sleep(len(block) / self.pace)
        if stop < len(body):
            handler.close_connection = True
            handler.connection.shutdown(2)
        return None


@dataclass
class FaultyHub(Server):
    """One file in `owner/name`, stored as the hub stores large files: behind a redirect, named by its sha256."""

    body: bytes = b""
    claimed: str = ""
    endless: str = ""  # what has no end: "content", "listing" or "refusal"
    listing: object = None  # answers of the API, as JSON
    refusal: tuple = ()  # status and error code of every answer

    def answer(self, handler):
        path = unquote(handler.path.partition("?")[0])
        if self.endless == "refusal":
            return self.pour(handler, 503 if handler.command == "HEAD" else 404)
        if path.startswith("/api/"):
            return self.pour(handler) if self.endless == "listing" else self.say(handler, 200, {}, self.listed())
        if self.refusal:
            return self.say(handler, self.refusal[0], {"X-Error-Code": self.refusal[1]})
        if path.startswith("/lfs/") and self.endless == "content" and handler.command == "GET":
            return self.pour(handler)
        if path.startswith("/lfs/"):
            return self.content(handler, self.body, {"ETag": f'"{sha256(self.body)[:32]}"'})
        if path != f"/owner/name/resolve/{REVISION}/tiny.gguf":
            return self.say(handler, 404, {"X-Error-Code": "EntryNotFound"})
        claim = self.claimed or sha256(self.body)
        told = {
            "X-Repo-Commit": REVISION,
            "X-Linked-ETag": f'"{claim}"',
            "X-Linked-Size": len(self.body),
            "Location": f"http://localhost:{self.server.server_port}/lfs/{sha256(self.body)}",  # another host
        }
        return self.say(handler, 302, told)

    def listed(self):
        told = self.listing(self.entry()) if callable(self.listing) else {"sha": REVISION, "siblings": [self.entry()]}
        return json.dumps(told).encode()

    def entry(self, name="tiny.gguf", **changed):
        """The file as the API lists it."""
        known = {"sha256": sha256(self.body), "size": len(self.body)}
        return {"rfilename": name, "size": len(self.body), "lfs": known, **changed}

    def pour(self, handler, status=200):
        """An answer that has no end."""
        handler.send_response(status)
        handler.send_header("Transfer-Encoding", "chunked")
        handler.end_headers()
        while handler.command != "HEAD":
            handler.wfile.write(b"%x\r\n%s\r\n" % (1 << 16, b" " * (1 << 16)))
            self.sent += 1 << 16
        handler.wfile.write(b"0\r\n\r\n")


@dataclass
class FaultyIndex(Server):
    """A package index of the wheels in a folder."""

    folder: Path = Path()

    def answer(self, handler):
        path = unquote(handler.path)
        if path.startswith("/files/"):
            wheel = self.folder / path.removeprefix("/files/")
            if not wheel.is_file():
                return self.say(handler, 404)
            return self.content(handler, wheel.read_bytes())
        package = path.removeprefix("/simple/").strip("/").replace("-", "_")
        wheels = sorted(wheel.name for wheel in self.folder.glob(f"{package}-*.whl"))
        if not wheels:
            return self.say(handler, 404)
        page = "".join(f'<a href="/files/{name}">{name}</a>' for name in wheels)
        return self.say(handler, 200, {"Content-Type": "text/html"}, page.encode())
