"""The status line says where the models run."""

from dataclasses import replace

import pytest

from confspec_cli.core.messages import ModelCard
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.repl.status import place

CARD = ModelCard("model", "model.gguf", 1, 100)
PLACES = {"CPU": CARD, "GPU": replace(CARD, gpu_layers=3), "server": replace(CARD, server="llama-server http://gpu")}


@pytest.mark.parametrize(
    ("draft", "target", "says"),
    [
        ("CPU", "CPU", "CPU"),
        ("GPU", "GPU", "GPU"),
        ("GPU", "CPU", "GPU and CPU"),
        ("CPU", "server", "server and CPU"),
        ("server", "server", "server"),
    ],
)
def test_where_the_models_run(draft, target, says):
    engines = {
        Author.DRAFT: ScriptedEngine((), card=PLACES[draft]),
        Author.TARGET: ScriptedEngine((), card=PLACES[target]),
    }
    assert place(engines) == says
