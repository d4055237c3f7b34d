"""What a benchmark runs under, so that results of one are never added to those of another."""

from dataclasses import replace

from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import CARD, ScriptedEngine
from confspec_cli.evaluate.plan import conditions


def test_models_behind_other_servers_are_other_models():
    here = replace(CARD, server="llama-server http://a:1", identity="m.gguf, 9 bytes")

    def fixed(card):
        return conditions("set", [], {Author.TARGET: ScriptedEngine([], card=card)}, {}).fixed

    assert fixed(here) == fixed(replace(here))
    assert fixed(here) != fixed(replace(here, server="llama-server http://b:1"))
    assert fixed(here) != fixed(replace(here, identity="m.gguf, 10 bytes"))
