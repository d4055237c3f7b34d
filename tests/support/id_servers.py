"""Scripted servers that take and give token ids, as vLLM and SGLang do, and engines behind them."""

from contextlib import closing, contextmanager

from confspec_cli.core.engine import Interrupt
from confspec_cli.engines.llamacpp.vocabulary_file import VocabularyFile
from confspec_cli.engines.remote import RemoteSpec, open_remote
from support.scripted_server import ScriptedServer


@contextmanager
def serving(kind, path):
    """A server of that kind with the vocabulary of a GGUF file."""
    with closing(VocabularyFile(path)) as file, ScriptedServer(kind=kind, vocab=file.vocab) as server:
        yield server


@contextmanager
def connecting(server, path):
    """A function that opens an engine behind a server, with other settings than the usual ones by name."""
    engines = []

    def opened(**more):
        spec = RemoteSpec(**{"url": f"{server.url}/v1", "tokenizer": str(path), **more})
        engines.append(open_remote(spec, Interrupt(), {}))
        return engines[-1]

    yield opened
    for engine in engines:
        engine.close()
