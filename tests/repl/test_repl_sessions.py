"""Conversations that are saved, named, loaded, exported and resumed, on scripted models."""

import json

import pytest
from support.scripted_chat import ScriptedPool, flat, opened, pool, shown, talk

from confspec_cli.core.run_config import Mode
from confspec_cli.core.tasks import TaskName
from confspec_cli.errors import EngineError, StorageError
from confspec_cli.repl.loop import converse
from confspec_cli.storage.session import SavedSession, Session
from confspec_cli.storage.session_store import SessionStore


@pytest.fixture
def store(tmp_path):
    return SessionStore(tmp_path / "sessions")


def test_what_cannot_be_saved_is_told_once_and_the_conversation_goes_on(store):
    class Broken(SavedSession):
        def record(self, event):
            super().record(event)
            raise StorageError("The disk is full.")

    record = Broken(store.new().path)
    chat, text = talk("One?", "Two?", record=record, store=store)
    assert text.count("this chat is no longer being saved: The disk is full.") == 1
    assert len(chat.record.turns()) == 2


def test_sessions_are_saved_named_listed_loaded_and_left(store):
    chat, text = talk(
        "One?", "/save first", "/new second", "Two?", "/list", "/load first", store=store, record=store.new()
    )
    assert chat.record.name == "first"
    assert [turn.user for turn in store.open("second").turns()] == ["Two?"]
    assert "/load first returns to the previous one." in text
    assert "* second" in text
    assert 'Resumed "first" (1 turn).' in text


def test_a_session_is_loaded_with_its_models_and_settings(store):
    models = pool()
    chat, text = talk(
        *("/set temperature 0.5", "/set task qa", "/mode target", "One?", "/new"),
        *("/set temperature 0", "/set task code", "/mode confspec", "/load first"),
        models=models,
        store=store,
        record=store.new("first"),
    )
    assert 'Resumed "first" (1 turn).' in text
    assert (chat.options.temperature, chat.options.task, chat.options.mode) == (0.5, TaskName.QA, Mode.TARGET)
    assert models.loaded[-1].mode is Mode.TARGET


def test_a_session_whose_models_cannot_be_loaded_leaves_the_chat_as_it_is(store):
    class Empty(ScriptedPool):
        def switch(self, options):
            if options.mode is Mode.TARGET:
                raise EngineError("llama.cpp failed.", "/pair starter")
            super().switch(options)

    first = store.new("first")
    talk("/mode target", "One?", store=store, record=first)
    chat, text = talk("Two?", "/load first", models=Empty(pool().scripted), store=store, record=store.new("second"))
    assert "llama.cpp failed." in text
    assert (chat.record.name, chat.options.mode) == ("second", Mode.CONFSPEC)


def test_a_session_that_cannot_be_read_is_a_warning_of_the_list(store):
    store.folder.mkdir()
    (store.folder / "20260101-000000-000000.jsonl").mkdir()
    _chat, text = talk("One?", "/list", store=store, record=store.new())
    assert "20260101-000000-000000.jsonl was skipped: it is not a file." in flat(text)
    assert "One?" in text


def test_a_new_name_that_another_chat_has_is_refused(store):
    theirs = store.new("maths")
    store.claim(theirs)
    _chat, text = talk("/new maths", "One?", store=store, record=store.new())
    theirs.close()
    assert 'A session named "maths" already exists.' in flat(text)


def test_an_unsaved_conversation_can_be_saved_whole(store):
    chat, _text = talk("One?", "Two?", "/undo", "/save kept", "Three?", store=store, record=Session())
    chat.record.close()
    assert [turn.user for turn in store.open("kept").turns()] == ["One?", "Three?"]


def test_export_writes_a_new_file_and_never_over_another(tmp_path):
    talk("One?", f"/export md {tmp_path}/a.md", f"/export json {tmp_path}/a.json")
    assert "One?" in (tmp_path / "a.md").read_text()
    assert json.loads((tmp_path / "a.json").read_text())["turns"][0]["prompt"] == "One?"
    _, text = talk("Two?", f"/export md {tmp_path}/a.md")
    assert "already exists" in flat(text)
    assert "One?" in (tmp_path / "a.md").read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.json", "a.md"]


def test_a_resumed_conversation_shows_where_it_stood(store):
    record = store.new("trip")
    talk("One?", store=store, record=record)
    record.close()
    chat = opened(store=store, record=store.open("trip"))
    chat.begin(chat.record)
    converse(chat)
    assert "> One?" in shown(chat)
    assert 'Resumed "trip" (1 turn).' in shown(chat)
    assert chat.stats.accepted.whole == 3


def test_a_session_in_use_is_not_loaded(store):
    other = store.new("busy")
    talk("One?", record=other, store=store)
    other.lock()
    _chat, text = talk("/load busy", store=store)
    assert "is in use by another confspec" in flat(text)
    other.close()
