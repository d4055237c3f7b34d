"""Which models a pool opens, keeps and closes when the options change, a model on a server among them."""

from pathlib import Path

import pytest

from confspec_cli.core.messages import ModelCard
from confspec_cli.core.run_config import Mode
from confspec_cli.core.trace import Author
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.models.registry import load
from confspec_cli.models.remote_models import RemoteModel
from confspec_cli.runtime.model_pool import ModelPool
from confspec_cli.runtime.options import HardwareOptions, RunOptions

BOX = "http://gpubox:8000/v1#large"


@pytest.fixture
def opened():
    """What engines were made from, and the contexts asked for."""
    return []


@pytest.fixture
def pool(opened):
    """A pool over scripted engines."""

    def find(resolved, reporter):
        del reporter
        return {
            author: Path(f"{getattr(role, 'name', role)}.gguf")
            for author, role in resolved.roles.items()
            if not isinstance(role, RemoteModel)
        }

    def open_all(resolved, places, hardware, interrupt, reporter):
        del resolved, interrupt, reporter
        opened.extend((author, place, hardware.context) for author, place in places.items())
        return {
            author: ScriptedEngine((), card=ModelCard(str(place), "", 0, hardware.context or 100))
            for author, place in places.items()
        }

    return ModelPool(load(None), HardwareOptions(context=512), find=find, load=open_all)


def test_a_target_on_a_server_stays_open_while_the_draft_changes(pool, opened):
    pool.switch(RunOptions(target=BOX))
    kept = pool.engines[Author.TARGET]
    opened.clear()
    pool.switch(RunOptions(draft="qwen3-0.6b-q8_0", target=BOX))
    assert pool.engines[Author.TARGET] is kept
    assert [(author, str(place)) for author, place, _ in opened] == [(Author.DRAFT, "qwen3-0.6b-q8_0.gguf")]


def test_a_context_asked_for_is_that_of_the_models_that_run_here(pool, opened):
    pool.switch(RunOptions(target=BOX))
    assert {author: context for author, _, context in opened} == {Author.DRAFT: 512, Author.TARGET: None}


@pytest.mark.parametrize(
    ("options", "name"),
    [
        (RunOptions(target=BOX), "starter with large on gpubox:8000"),
        (RunOptions(draft="/models/a.gguf", target="https://gpubox"), "a + gpubox"),
        (RunOptions(target=BOX, mode=Mode.TARGET), "starter with large on gpubox:8000"),
    ],
)
def test_a_model_on_a_server_has_a_name_that_fits_into_a_line(pool, options, name):
    pool.switch(options)
    assert pool.pair == name
