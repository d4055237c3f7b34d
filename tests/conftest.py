"""Fixtures shared by the tests: tiny models written once a session, and engines that are closed."""

import pytest
from support.tiny_gguf import write

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.llamacpp.open_model import Hardware


@pytest.fixture(autouse=True)
def own_sessions(tmp_path, monkeypatch):
    """The folder of sessions, apart from everybody's."""
    folder = tmp_path / "sessions"
    monkeypatch.setenv("CONFSPEC_SESSIONS", str(folder))
    monkeypatch.delenv("CONFSPEC_NO_LOG", raising=False)
    return folder


@pytest.fixture(scope="session", autouse=True)
def own_cache(tmp_path_factory):
    """Where tests remember which files load, apart from everybody's."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setenv("CONFSPEC_CACHE", str(tmp_path_factory.mktemp("cache")))
        monkeypatch.setenv("CONFSPEC_STATE", str(tmp_path_factory.mktemp("state")))
        yield


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """Path of a tiny random model of a kind, written once."""
    folder = tmp_path_factory.mktemp("tiny")
    written = {}

    def path(kind="llama", **options):
        key = f"{kind} {options}"
        if key not in written:
            written[key] = write(folder / f"{kind}-{len(written)}.gguf", kind, **options)
        return written[key]

    return path


@pytest.fixture
def load():
    """Load a GGUF file into an engine that is closed after the test."""
    engines = []

    def loaded(path, interrupt=None, **hardware):
        hardware = {"context": 2048, "threads": 2, **hardware}
        engines.append(LlamaCppEngine(path, Hardware(**hardware), interrupt or Interrupt(), lambda _: None))
        return engines[-1]

    yield loaded
    for engine in engines:
        engine.close()
