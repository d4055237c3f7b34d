"""Two models loading at once: both or neither, and what is wrong is said of the right one."""

import shutil
import threading
import time
from contextlib import contextmanager

import pytest
from support.tiny_gguf import damage, write

from confspec_cli.core.engine import Interrupt
from confspec_cli.core.messages import Message, Prompt, Sampling
from confspec_cli.core.trace import Author
from confspec_cli.engines.llamacpp.llama_engine import LlamaCppEngine
from confspec_cli.engines.scripted import ScriptedEngine
from confspec_cli.errors import EngineError, Interrupted, UsageError
from confspec_cli.models.checked import Checked
from confspec_cli.runtime import load as _loading
from confspec_cli.runtime.fetch import local_files
from confspec_cli.runtime.load import engines, load_engines
from confspec_cli.runtime.options import HardwareOptions, RunOptions
from confspec_cli.runtime.reporter import Silent
from confspec_cli.runtime.resolve import resolve_pair, user_registry

SMALL = HardwareOptions(context=512, threads=1)


@pytest.fixture
def closed(monkeypatch):
    """The names of the engines closed so far."""
    names = []
    close = LlamaCppEngine.close
    monkeypatch.setattr(LlamaCppEngine, "close", lambda self: (names.append(self.card.name), close(self)))
    return names


def resolved(draft, target):
    cast_ = resolve_pair(user_registry(), RunOptions(draft=str(draft), target=str(target)))
    return cast_, local_files(cast_)


def test_both_are_loaded_and_the_target_takes_guesses_of_the_draft(tiny, closed):
    people, paths = resolved(tiny("llama"), tiny("qwen2"))
    with engines(people, paths, SMALL, Interrupt()) as loaded:
        assert list(loaded) == list(Author)
        assert vars(loaded[Author.TARGET])["_decoder"]._proposer.draft
        assert not vars(loaded[Author.DRAFT])["_decoder"]._proposer.draft
        assert not closed
    assert len(closed) == 2


def test_a_model_is_recorded_with_its_sha256_only_if_that_was_computed_from_these_bytes(tiny, tmp_path, monkeypatch):
    monkeypatch.setenv("CONFSPEC_MODELS", str(tmp_path / "models"))
    people, paths = resolved(
        shutil.copy(tiny("llama"), tmp_path / "a.gguf"), shutil.copy(tiny("qwen2"), tmp_path / "b.gguf")
    )
    _, sha256 = Checked(tmp_path / "models").computed(paths[Author.DRAFT], lambda _: None)

    def recorded():
        with engines(people, paths, SMALL, Interrupt()) as loaded:
            return [one.card.sha256 for one in loaded.values()]

    assert recorded() == [sha256, ""]
    content = bytearray(paths[Author.DRAFT].read_bytes())
    content[-1] ^= 1
    paths[Author.DRAFT].write_bytes(content)
    assert recorded() == ["", ""]


@pytest.mark.parametrize("turn", [1, -1])
def test_what_is_wrong_is_said_of_the_damaged_one_and_neither_stays_open(tiny, tmp_path, closed, turn):
    sound = tiny("llama")
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(damage(sound, "truncated").read_bytes())
    people, paths = resolved(*[sound, broken][::turn])
    with pytest.raises(EngineError, match=r"broken\.gguf"):
        load_engines(people, paths, SMALL, Interrupt())
    assert set(closed) <= {sound.stem}
    assert closed or turn == -1


@pytest.mark.parametrize("stop", [KeyboardInterrupt, Interrupted])
def test_ctrl_c_stops_both_and_closes_what_was_loaded(stop):
    interrupt, ended = Interrupt(), []

    class Loaded:
        def close(self):
            ended.append("closed")

    def one(author):
        if author is Author.DRAFT:
            raise stop
        while not interrupt.is_set():
            time.sleep(0.01)
        return Loaded()

    with pytest.raises(stop):
        _loading._together(one, list(Author), interrupt)
    assert ended == ["closed"]
    assert not interrupt.is_set()


@pytest.mark.parametrize("threads", [-1, 513, 100_000, 10**20])
def test_more_threads_than_llama_cpp_can_use_are_refused(tiny, load, threads):
    with pytest.raises(UsageError, match="can use 1 to 512 threads"):
        load(tiny("llama"), threads=threads)


@pytest.mark.parametrize("context", [1, 7])
def test_a_model_with_a_very_short_context_can_be_used(tmp_path, load, context):
    engine = load(write(tmp_path / "short.gguf", context=context), context=None)
    assert list(
        engine.generate(Prompt((Message("user", "A question of some length, or so it seems."),)), Sampling(), 3)
    )


def test_they_load_at_the_same_time():
    meet = threading.Barrier(2, timeout=10)
    scripted = {author: ScriptedEngine(()) for author in Author}

    def one(author):
        meet.wait()
        return scripted[author]

    assert _loading._together(one, list(Author), Interrupt()) == scripted


def test_one_bar_shows_both(tiny):
    seen, shown = [], []

    class Bar(Silent):
        @contextmanager
        def loading(self, what):
            shown.append(what)
            yield seen.append

    people, paths = resolved(tiny("llama"), tiny("qwen2"))
    for engine in load_engines(people, paths, SMALL, Interrupt(), Bar()).values():
        engine.close()
    assert shown == [f"loading draft {paths[Author.DRAFT].name}, target {paths[Author.TARGET].name}"]
    assert all(0 <= part <= 1 for part in seen)
    assert seen[-1] == 1
